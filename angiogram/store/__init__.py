"""What is kept about runs, in PostgreSQL: runs, all their differences, acknowledgements, the hold, and pruning.

In come verdicts and differences, out come those of earlier runs, read as today whatever version wrote them. May import:
core.
"""
