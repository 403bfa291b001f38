"""Take pictures of a run's page at 390 and 1280 pixels and as printed.

Usage: page_pictures.py FOLDER PAGE...

Each is cut off below a length that a reader of the docs still looks at.
"""

import sys
from pathlib import Path

from tests.browser import browser

LONGEST = 2400


def main(folder: Path, pages: list[Path]) -> None:
    """Write the pictures, and their names to stdout."""
    for page in pages:
        with browser() as shown:
            shown.open(page.resolve().as_uri())
            shown.await_text(".find:not([hidden])")  # the script at the page's end has run
            for form, width in (("390", 390), ("1280", 1280), ("printed", 703)):
                if form == "printed":
                    shown.emulate_print(width)
                shown.resize(width)
                height = shown.evaluate("document.documentElement.scrollHeight")
                shown.resize(width, min(height, LONGEST))
                file = folder / f"{page.stem}-{form}.png"
                shown.picture(file)
                print(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
