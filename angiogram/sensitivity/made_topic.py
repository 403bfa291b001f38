"""Names the topic that sensitivity pretends its messages come from. No broker has it."""

from uuid import UUID

MADE_TOPIC, MADE_TOPIC_ID, PARTITIONS = "messages", UUID(int=0x0D7E), 4
