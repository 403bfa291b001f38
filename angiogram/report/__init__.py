"""Presents a run to people and programs: terminal, one line, JSON, and pages.

Input: a run with its report. Output: text. Nothing is judged here. May import: core, dbt, store, warehouse, dye, judge.
"""
