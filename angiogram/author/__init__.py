"""Work on the expectation: what `angiogram accept` shows, asks and writes.

In comes a project after a build, out go expected seeds and the accepted surface. May import: every room up to report.
"""
