"""What is asked of the database that holds the models: relations, columns, schemas of the dye, sessions.

In comes a connection or a dbt target, out go names and columns of relations, and the answer to the question which
relations a build may write. May import: core, dbt, store.
"""
