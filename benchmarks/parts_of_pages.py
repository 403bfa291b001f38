"""Update pages of docs/ that several commands write.

Each command replaces the part between its own marks.
"""

from pathlib import Path


def write_part(page: Path, name: str, text: str) -> None:
    """Replace one part of a page.

    Args:
        page: the file; it holds the marks `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
        name: name of the part.
        text: the new text between the marks.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
