"""Mutants on trial: each is run on the dye with all that is downstream of it, and counted.

In come mutants, out goes what saw each of them: the dye, unit tests or data tests.
"""
