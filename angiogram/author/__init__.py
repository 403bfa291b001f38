"""Maintains the expected outputs: `init`, `accept`, and what to watch next.

Input: a project, after a build where outputs are asked for. Output: expected seeds, the accepted surface, coverage.
May import: every room up to report.
"""
