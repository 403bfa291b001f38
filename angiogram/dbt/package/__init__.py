"""The dbt package data_angiogram: installed where dbt finds it, rendered without dbt.

`data_angiogram` is a link to `dbt_package/` of the repository; a wheel holds the files. May import: core.
"""
