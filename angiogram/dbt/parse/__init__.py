"""Reads a project that dbt refuses as a whole.

It works on a copy without the broken files and what depends on them. Input: the folder. Output: the manifest of what
can be read, and the broken files, each with its line and its reason. May import: core, dbt.manifest.
"""
