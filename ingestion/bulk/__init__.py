"""Load files of messages into the raw tables: `ingestion bulk-load` (Parquet, CSV, NDJSON).

Each file counts as a topic of its own: `file:<name>`, where the name is the path below the folder. The topic_id is
made of the file's content, its format and the columns that its folders name. The partition is 0, the offset is the row
number from 0, and message_at is the time in a column of the file, else the time of the load. A file is recognised by
its content and never loaded twice, whatever its name. If rows were appended to a file, only the new rows are loaded.

In come files, out go rows and dead letters. May import: contract, database, errors, extras, message,
migrations, settings, stop, words.

| module | holds |
|---|---|
| files | which files there are, the day and the columns that a path names, groups of small ones |
| times | when a row was sent |
| columns | from Arrow columns to lines of COPY |
| formats | from an open file to chunks of such lines, for each format |
| rows | which rows of a file to load |
| opened | an open file: its identity, and its chunks |
| records | what raw.loaded_files and raw.file_days say |
| standing | how a file relates to what was loaded before |
| store | the one transaction for a group of files, or for a day |
| work | what a worker process does |
| run | `bulk_load`, which starts the workers and collects their results |
| replace | replacing all files of a day |
| report | what a load did |
| counts | rows in the raw tables before and after |
| cli, files_cli | the commands |
"""
