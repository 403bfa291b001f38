"""Why a stage is wrong: its own SQL, what it reads, or an expected seed that is stale.

In come stages that differ; each model is run once more, in a session that is rolled back, on the input that it should
have had. Out goes the stage to blame, and where the cause may lie besides. The SQL of models is taken apart and put
together here for `sensitivity` too.
"""
