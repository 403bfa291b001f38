"""What PostgreSQL keeps about runs: reports, all differences, acknowledgements, the hold.

Pruning is here too. Input: verdicts and differences. Output: those of earlier runs, in today's form whichever version
wrote them. May import: core.
"""
