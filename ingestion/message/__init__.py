"""Messages: the signed headers that make one dye, and its columns in the raw tables.

It also gives the reason why a message is neither dye nor a row.

Comes in: the bytes of a value, its headers, and the contract. Goes out: lines of COPY, stamps of the dye (test records
with known results), reasons. Pure functions: no Kafka, no database. May import: `contract`.
"""
