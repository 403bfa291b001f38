"""The words that every other room speaks: stages, findings, differences, verdicts, errors.

In comes nothing, out go plain values: what a stage is called, what may be wrong with one, how two outputs differ, which
stages are to blame by what is known of their neighbours. Nothing here asks a database, dbt or Kafka. May import: no
other room.
"""
