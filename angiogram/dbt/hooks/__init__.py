"""What the hooks of a project write under the dye target, as far as their SQL names it."""
