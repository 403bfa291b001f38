"""Possible mistakes: the SQL of a model, changed in one place.

In comes SQL, out go mutants; `operators` says what each kind of mistake is.
"""
