"""Access to the database that holds the models: sessions, schemas, relations, columns.

In comes a connection or a dbt target. Out go names and columns of relations, and the schemas that a build may write.
May import: core, dbt, store.
"""
