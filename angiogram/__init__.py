"""The dye test: inject the dye, hold the checkpoints, compare every model with its expected seed, name the blockage."""
