"""Sorts survivors: is there random input that tells a mutant from its model?

In come mutants that nothing saw. Out go witnesses, which are messages or rows that the dye is missing, and the mutants
known to be equivalent.
"""
