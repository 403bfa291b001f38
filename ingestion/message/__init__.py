"""Messages: the signed headers that make one dye, its columns in the raw tables, and why it is none of them.

Comes in: the bytes of a value, its headers, and the contract. Goes out: lines of COPY, stamps of the dye (test records
with known results), reasons. Pure functions: no Kafka, no database. May import: `contract`.
"""
