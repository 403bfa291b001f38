"""Conditions: how often the dye made each condition of a model's SQL true, false and null.

Comes in: compiled models and a bench that holds their tables. Goes out: counts beside each condition.
"""
