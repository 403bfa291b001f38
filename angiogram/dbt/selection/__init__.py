"""Which models a person selects with dbt's own options, as dbt itself resolves them.

May import: the modules of dbt around it.
"""
