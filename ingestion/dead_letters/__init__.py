"""What was not loaded as a row: dead letters, and messages with dye headers that do not verify.

Comes in: what the loader kept apart, and a person's decision. Goes out: bytes to look at, messages published again or
released to the live or the dye's tables. The dye are test records with known results. May import: `errors`, `contract`,
`settings`, `message`, `database`, `migrations`, `topic`, `loader`.
"""
