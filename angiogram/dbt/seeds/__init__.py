"""Seed files: typed values to the text that dbt loads, and files that are replaced all together or not at all.

In come rows, out goes CSV. May import: core.
"""
