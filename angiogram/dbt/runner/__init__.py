"""What dbt says while it works and at its end, in words of our own.

In come dbt's events and results. Out go results of nodes.
"""
