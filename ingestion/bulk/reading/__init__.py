"""Reading files: which there are, and their rows as lines of COPY.

Comes in: a folder. Goes out: chunks of lines, and what the names of folders say. May import: `errors`, `contract`,
`message`.
"""
