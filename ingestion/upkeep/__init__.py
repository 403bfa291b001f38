"""Upkeep of loaded data: delete by age, repair stored offsets, retire former topics.

Comes in: the owner's command. Goes out: rows deleted, offsets set to what is stored. May import: `errors`, `contract`,
`settings`, `message`, `database`, `migrations`.
"""
