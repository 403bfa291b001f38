"""The vocabulary of every other room: stages, findings, differences, verdicts, errors.

Input: nothing. Output: plain values: the name of a stage, what may be wrong with it, how two outputs differ, and which
stages are to blame given their neighbours. Nothing here queries a database, dbt or Kafka. May import: no other room.
"""
