"""Why a stage is wrong: its own SQL, its input, or a stale expected seed.

In come the stages that differ. Each model is run again on the input that it should have had, in a session that is
rolled back. Out goes the stage to blame, and other places where the cause may lie.
"""
