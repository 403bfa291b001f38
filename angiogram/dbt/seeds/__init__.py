"""Seed files: typed values to CSV for dbt, and files replaced all together or not at all.

Input: rows. Output: CSV. May import: core.
"""
