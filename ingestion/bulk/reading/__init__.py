"""Reading files: finding them, and turning their rows into lines of COPY.

Comes in: a folder. Goes out: chunks of lines, and the columns that folder names give. May import: `errors`, `contract`,
`message`.
"""
