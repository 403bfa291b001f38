"""Maintains the expected outputs: what `angiogram accept` shows, asks and writes.

Input: a project after a build. Output: expected seeds and the accepted surface. May import: every room up to report.
"""
