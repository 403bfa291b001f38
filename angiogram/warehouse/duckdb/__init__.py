"""Which schemas of a DuckDB file are the dye's.

In comes a session of a dye target. Out go the dye's schemas, empty.
"""
