"""A run for people and for other programs: HTML page, history, Markdown, JUnit XML; all from the report of the run."""
