"""Pages on runs, and their forms for machines: HTML, Markdown, JUnit.

In comes a run, out goes one text without links to anything that must be fetched. All that comes from the pipeline is
escaped.
"""
