"""Everything before dbt: message contract, front door, loader, raw tables and live traffic."""
