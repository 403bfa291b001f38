"""Everything before dbt: messages from the front door to the topic, and from there into the raw tables.

In come messages over HTTP, a Kafka topic or files, and the pipeline's contract. Out go rows and dead letters. May
import: none of the project's other packages.
"""
