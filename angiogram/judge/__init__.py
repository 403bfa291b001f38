"""Judges what was built: compares outputs, traces rows, finds the cause, gives the verdict.

In come the results of a build and the dye that was sent. Out goes the report: verdict, blockage, findings, notices, and
differences with their input messages. `guards` also checks what readers of the live tables depend on. `verdict` builds
stages and report of every run; `live_run` hands it a live run, `from_seeds` a run without Kafka. May import: core, dbt,
store, warehouse, dye.
"""
