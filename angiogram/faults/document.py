"""The fault table in the docs: one row per fault, with its latest result."""

from collections.abc import Sequence
from pathlib import Path

from angiogram.faults.fault import Fault
from angiogram.faults.play import Played

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
_HEAD = (
    "| fault | what goes wrong | planted at | verdict | named | as expected | seconds |",
    "|---|---|---|---|---|---|---:|",
)


def write_document(results: Sequence[Played], catalogue: Sequence[Fault]) -> None:
    """Write results into the table of docs/faults.md, and keep the rows of other faults.

    Args:
        results: of the faults that were played now.
        catalogue: all faults, in the order of the rows; rows that match none of them are dropped.
    """
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
    old, after = rest.split(END)
    rows = {name: row for row in old.splitlines() if row.startswith("| ") for name in [row.split(" | ")[0][2:]]}
    rows |= {played.fault.name: _row(played) for played in results}
    kept = [rows[fault.name] for fault in catalogue if fault.name in rows]
    right = sum(row.split(" | ")[5] == "yes" for row in kept)
    told = f"{len(kept)} faults played, {right} verdicts as expected."
    table = "\n".join((told, "", *_HEAD, *kept))
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _row(played: Played) -> str:
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
    return f"| {' | '.join(cells)} |"
