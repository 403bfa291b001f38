"""Writes a page to a file or to stdout."""

import os
import sys
from pathlib import Path

from angiogram.core.errors import PageNotWritten


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
        raise PageNotWritten(f"{output} cannot be written: {error.strerror}. Choose another file.") from error


def require_writable(output: Path) -> None:
    """Check that a page can be written, before the work for its content is done.

    Raises:
        PageNotWritten: its folder does not exist or is not writable.
    """
    if not os.access(output.parent, os.W_OK):
        raise PageNotWritten(
            f"{output} cannot be written: the folder {output.parent} does not exist, or this user may not read it."
        )
