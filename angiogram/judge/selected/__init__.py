"""A run of selected models: what it builds, and what fills the tables that they read.

In come the IDs that dbt selects. Out goes a build, as from the room `build`. May import: build, cause, guards.
"""
