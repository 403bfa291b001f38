"""The dye on DuckDB, without a server."""
