"""The only reader of dbt's manifest: nodes, their equality tests, and dependencies.

Input: the manifest as dbt writes it. Output: nodes with the names that people know. May import: core.
"""
