"""The command `angiogram`: arguments in, text and exit codes out.

Each command does one call of a lower room and tells what came of it. May import: every room.
"""
