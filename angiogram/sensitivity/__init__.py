"""Measures sensitivity: how many possible mistakes in the models the dye would see.

Every model's compiled SQL is changed in one place at a time. Such a changed model is a mutant. The mutant and the
models downstream of it are run on the dye, in temporary tables, in a transaction that is rolled back. A mutant is seen
if a model's output then differs from its expected seed. Survivors are sorted into blind spots, equivalent mutants and
unknown ones. In comes a project that was built. Out goes its score. May import: every room up to report.
"""
