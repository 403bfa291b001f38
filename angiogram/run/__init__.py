"""The steps of a run, and how every try of one ends: recorded, alerted, with an exit code.

In come settings, out goes a recorded run. The command line, the DAG and the faults all use it. May import: every lower
room.
"""
