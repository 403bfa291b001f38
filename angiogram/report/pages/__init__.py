"""Pages on runs, and their forms for machines: HTML, Markdown, JUnit.

Input: a run. Output: one text without links to anything that must be fetched. Everything that comes from the pipeline
is escaped.
"""
