"""The dye itself: input seeds become messages, are sent, and are looked for again on the topic and in the raw tables.

In come the input seeds and the pipeline's contract; out go what was sent, what arrived, what the loader stored, and the
checkpoints that a run must hold. May import: core, dbt, store, warehouse.
"""
