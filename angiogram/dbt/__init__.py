"""The only way to dbt: how a project is found, read, built and compiled.

Input: the folder of a dbt project and the name of a target. Output: the nodes of its manifest, what a build did with
each of them, and compiled SQL in both forms of is_incremental(). `command` is the only module that calls dbt. May
import: core.
"""
