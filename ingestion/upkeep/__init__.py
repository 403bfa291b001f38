"""Upkeep of what was loaded: deleting by age, mending stored offsets, giving up former topics.

Comes in: the owner's command. Goes out: rows deleted, offsets set to what is stored. May import: `errors`, `contract`,
`settings`, `message`, `database`, `migrations`.
"""
