"""The taxi pipeline: everything about taxi rides that is not a dbt model or a seed.

It holds what the pipeline declares (the contract of its messages with the names of tables and roles, the independent
calculation of expected rows, the catalogue of faults) and its traffic (made-up and recorded rides). `angiogram.yml`
names what general code may reach by import path; nothing in `ingestion`, `angiogram` or `sandbox` imports this package.
It may import all of them.
"""
