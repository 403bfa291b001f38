"""Measures sensitivity for the loader: would the dye see a message in the wrong table?

In come the contract and the dye. Out goes the loader's part of the score.
"""
