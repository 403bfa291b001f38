"""What the builds of a run did, stage by stage: batches of the seeds, failed nodes, hooks, partial success.

In come dbt's results, out go stages and findings of kind `build`.
"""
