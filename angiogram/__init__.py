"""The dye test for a data pipeline: find the stage where right data becomes wrong.

It sends test records with known results (the dye) through the pipeline, checks the checkpoints, compares every model
with its expected seed, and names the blockage.
"""
