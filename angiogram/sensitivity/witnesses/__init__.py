"""Survivors on trial: random messages that tell a mutant from its model, or the grounds to call it equivalent.

In come mutants that nothing saw, out go witnesses: messages that the dye lacks.
"""
