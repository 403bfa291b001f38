"""The fault table in the docs."""

from collections.abc import Sequence
from pathlib import Path

from angiogram.faults.play import Played

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def write_document(results: Sequence[Played]) -> None:
    """Put the table of what was played between the marks of docs/faults.md."""
    put_between(DOCUMENT, BEGIN, END, _table(results))


def put_between(path: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two marks of a file."""
    before, rest = path.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _table(results: Sequence[Played]) -> str:
    right = sum(played.as_expected for played in results)
    lines = [
        f"{len(results)} faults played, {right} verdicts as expected.",
        "",
        "| fault | what goes wrong | planted at | verdict | named | as expected | seconds |",
        "|---|---|---|---|---|---|---:|",
    ]
    for played in results:
        fault = played.fault
        cells = (
            fault.name,
            fault.description,
            ", ".join(fault.planted) or "nowhere: absorbed",
            played.verdict.replace("_", " "),
            ", ".join(played.named) or "-",
            "yes" if played.as_expected else "**no**",
            f"{played.seconds:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
