"""The daily work around runs: alerts, status, live dye, and whether all is set up.

In come runs and settings, out go messages to people and answers for monitoring. May import: every room up to report.
"""
