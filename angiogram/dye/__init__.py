"""Turns input seeds into messages, sends them and finds them again: the dye.

The dye is a set of test records with known results. In come the input seeds and the pipeline's contract. Out go what
was sent, what arrived on the topic, what the loader stored in the raw tables, and the checkpoints that a run must hold.
May import: core, dbt, store, warehouse.
"""
