"""Everything before dbt: messages on their way to the raw tables.

They pass the front door and the topic, or come in files.

In come messages over HTTP, a Kafka topic or files, and the pipeline's contract. Out go rows and dead letters. May
import: none of the project's other packages.
"""
