"""The command `angiogram`: arguments in, text and exit codes out.

Each command makes one call of a lower room and prints the result. May import: every room.
"""
