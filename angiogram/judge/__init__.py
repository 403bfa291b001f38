"""From what was built to the verdict: compare, trace, find the cause, watch what readers depend on.

In come the results of a build and the dye that was sent; out goes the report: verdict, blockage, findings, notices,
differences with their input messages. `verdict` judges a live run, `from_seeds` one without Kafka; both put stages and
report together in the same way. May import: core, dbt, store, warehouse, dye.
"""
