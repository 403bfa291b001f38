"""What each build of a run did: batches, failed nodes, hooks, partial success.

In come dbt's results. Out go stages and findings of kind `build`.
"""
