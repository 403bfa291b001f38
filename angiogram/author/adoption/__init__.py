"""Puts a dbt project under the dye: what `angiogram init` looks at, shows and writes.

Input: any dbt project whose profile works. Output: files of the project, all or none. May import: as `author`.
"""
