"""The one reader of dbt's manifest: nodes, their equality tests, and what depends on what.

In comes the manifest as dbt writes it, out go nodes with the names that people know. May import: core.
"""
