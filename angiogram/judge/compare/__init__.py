"""Compares outputs with expected seeds and traces what differs to the messages behind it.

In come two relations. Out go the rows and cells that differ, traced through the models to the input.
"""
