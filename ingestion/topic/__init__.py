"""The topic: making it, asking it, publishing to it, looking for a message on it.

Comes in: settings of Kafka, and values to publish. Goes out: positions that the broker has acknowledged. May import:
`errors`, `settings`.
"""
