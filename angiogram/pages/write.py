"""Where a page goes: into a file, or to stdout."""

import sys
from pathlib import Path

from angiogram.errors import PageNotWritten


def write(text: str, output: Path | None) -> None:
    """Write a page.

    Args:
        text: the page.
        output: its file; None: stdout.

    Raises:
        PageNotWritten: the file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PageNotWritten(f"{output} cannot be written: {error.strerror}. Name another file.") from error
