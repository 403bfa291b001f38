"""What was not loaded as a row: dead letters, and messages with unverified dye headers.

Comes in: what the loader kept apart, and a person's decision. Goes out: bytes to look at, messages published again or
released to the live tables or the dye's (the dye is a set of test records with known results). May import:
`command_line`, `contract`, `database`, `errors`, `loader`, `message`, `migrations`, `settings`, `topic`, `words`.
"""
