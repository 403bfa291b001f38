"""Loading files of rides (Parquet, CSV, NDJSON) into the raw tables: `ingestion bulk-load`.

Each file is a topic of its own: topic `file:<name>`, where the name is the path below the folder; topic_id the first
16 bytes of the SHA-256 of its content; partition 0; offset the number of the row, from 0; message_at the time of the
load. What was loaded once is known by its content and never loaded again, under whatever name it comes.

| module | holds |
|---|---|
| files | which files there are, the day that a path names, groups of small ones |
| columns | from Arrow columns to lines of COPY |
| reading | from a file's bytes to chunks of such lines |
| store | the transaction that a group of files is |
| work | what a worker process does |
| run | the workers, from outside: `bulk_load` |
| counts | rows in the raw tables before and after |
| cli | the command |
"""
