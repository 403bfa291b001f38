"""The database engines that models may live on, behind one small protocol.

`protocol.py` says what angiogram asks of a session and of an engine. `postgres.py` and `duckdb.py` answer it, each with
the SQL of its own. `dispatch.py` tells which engine a session belongs to.
"""
