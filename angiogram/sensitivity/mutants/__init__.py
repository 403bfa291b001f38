"""Makes mutants, which are possible mistakes: a model's SQL changed in one place.

In comes SQL. Out go mutants. `operators` defines each kind of mistake.
"""
