"""The steps of a run, and how each one ends: recorded, with alerts and an exit code.

Input: settings. Output: a recorded run. The command line, the DAG and the faults all use it. May import: every lower
room.
"""
