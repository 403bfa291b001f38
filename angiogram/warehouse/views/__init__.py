"""Temporary views of what is compared although no table holds it so.

These are ephemeral models, and snapshots without dbt's times.
"""
