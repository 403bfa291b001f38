"""Outputs beside expected seeds: which rows and cells differ, and the messages that they come from.

In come two relations, out go differences, traced through the models to the input.
"""
