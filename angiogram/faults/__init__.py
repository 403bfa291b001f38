"""Named faults, each played on a real pipeline, to test that the dye finds them.

A fault is planted in a temporary copy of the dbt project and its seeds, in the messages on their way through a proxy
before the front door, on the topic, or in what the loader stored; never by code in production models. Everything
happens in a database and on a topic of the command's own. The catalogue belongs to the pipeline. In come faults, out
goes the verdict on each. May import: every lower room.
"""
