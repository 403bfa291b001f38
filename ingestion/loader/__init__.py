"""The loader: from the topic into the raw tables, each message exactly once.

Rows, dead letters and offsets are written in one transaction. Only raw.loaded_offsets says which offsets are loaded. A
partition is read by the one session that holds its advisory lock. May import: database, errors, logs, message,
migrations, settings, stop, topic.
"""
