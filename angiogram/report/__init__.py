"""A run told to people and programs: in the terminal, in one line, as JSON, and as pages.

In comes a run with its report, out goes text. Nothing is judged here. May import: core, dbt, store, warehouse, dye,
judge.
"""
