"""Everything before dbt: the message contract, the front door, live traffic, the loader and the raw tables."""
