"""Daily operations around runs: alerts, status, live checkpoints, and the doctor.

Input: runs and settings. Output: messages to people and answers for monitoring. May import: every room up to report.
"""
