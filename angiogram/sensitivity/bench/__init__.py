"""Runs each mutant and all models downstream of it on the dye, and counts the results.

In come mutants. Out goes what saw each of them: the dye, unit tests or data tests.
"""
