"""Reading a project that dbt refuses as a whole: from a copy without the broken files and what depends on them.

In comes the folder, out go the manifest of what can be read, and the broken files, each with its line and its reason.
May import: core, dbt.manifest.
"""
