"""The loader: from the topic into the raw tables, each message exactly once.

Rows, dead letters and offsets are written in one transaction. Only raw.loaded_offsets says which offsets are loaded. A
partition is read by the one session that holds its advisory lock.

Comes in: the records of a topic. Goes out: rows, dead letters and gaps. May import: contract, database, errors, extras,
key_fingerprint, logs, message, migrations, settings, stop, topic.
"""
