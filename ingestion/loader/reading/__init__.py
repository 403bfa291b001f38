"""Reading from Kafka: one source with two clients, and a reader of single messages beside it.

Comes in: settings of Kafka, and which partitions to read from where. Goes out: records as Kafka holds them. May import:
`errors`, `settings`, `message`, `topic`.
"""
