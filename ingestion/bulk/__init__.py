"""Loading files of messages (Parquet, CSV, NDJSON) into the raw tables: `ingestion bulk-load`.

Each file is a topic of its own: topic `file:<name>`, where the name is the path below the folder; topic_id made of its
content, its format and the columns that its folders name; partition 0; offset the number of the row, from 0;
message_at the time that a column of the file says, or else that of the load. What was loaded once is known by its
content and never loaded again, under whatever name it comes; of a file that was appended to the new rows are loaded.

| module | holds |
|---|---|
| files | which files there are, the day and the columns that a path names, groups of small ones |
| times | when a row was sent |
| columns | from Arrow columns to lines of COPY |
| formats | from an open file to chunks of such lines, for each format |
| rows | which rows of a file are wanted |
| reading | a file in hand: what it is, and its chunks |
| records | what raw.loaded_files and raw.file_days say |
| standing | what a file is to what was loaded before |
| store | the transaction that a group of files, or a day, is |
| work | what a worker process does |
| run | the workers, from outside: `bulk_load` |
| replace | a day exchanged for another |
| report | what a load did |
| counts | rows in the raw tables before and after |
| cli, files_cli | the commands |
"""
