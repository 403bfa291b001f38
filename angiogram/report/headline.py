"""The verdict in a few words, for the top of a page, an alert or a pull request."""

from collections.abc import Iterator, Mapping
from typing import Any

from angiogram.core.differences import fed_by, of_stage
from angiogram.core.findings import MEANINGS, FindingKind
from angiogram.core.stage_id import StageId, from_json, listed
from angiogram.core.words import BLOCKED, HEALTHY
from angiogram.report.report import healthy, in_short, selection, visible

MESSAGES_NAMED = 3
"""How many messages one sentence names. The rest are counted."""


def title(report: Mapping[str, Any]) -> str:
    """Return the verdict, such as `Blocked at orders (1 of 74 models)`."""
    return in_short(_title(report), report)


def _title(report: Mapping[str, Any]) -> str:
    verdict = report.get("verdict")
    if verdict == HEALTHY:
        return "Healthy"
    if verdict == BLOCKED:
        return f"Blocked at {listed(from_json(report.get('blockage'))) or 'an unknown stage'}"
    return "Could not run" if verdict else "In hand"


def explanation(report: Mapping[str, Any]) -> str:
    """Return what the verdict means, in a sentence."""
    verdict = report.get("verdict")
    if verdict == HEALTHY:
        return f"{healthy(report)}."
    covers = f" Covers {selection(report)}." if report.get("selection") else ""
    if verdict == BLOCKED:
        return " ".join(_why_blocked(report)) + covers
    if verdict:
        return str(report.get("error") or "The pipeline could not be judged.") + covers
    return "The run is in progress: there is no verdict yet."


def _why_blocked(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what each kind of finding means, in a sentence with its stages.

    Without findings: what a blockage is.
    """
    stages: dict[FindingKind, dict[StageId, None]] = {}
    for found in report.get("findings", []):
        stages.setdefault(FindingKind(found["kind"]), {})[StageId.of(found["stage"])] = None
    for kind, named in (stages or {FindingKind.OUTPUT: dict.fromkeys(from_json(report.get("blockage")))}).items():
        if kind is not FindingKind.OUTPUT:
            yield f"{MEANINGS[kind]}: {listed(named)}."
            continue
        where = f" ({listed(named)})" if len(stages) > 1 else ""
        yield (
            f"{'These stages are' if len(named) > 1 else 'This stage is'}{where} the first whose output is wrong "
            "although all that it reads is right."
        )


def example(report: Mapping[str, Any]) -> str | None:
    """Describe one difference of a blocked stage, with the messages that feed it.

    If there is no difference, say why the stage is blocked. A changed cell is preferred because it says most.
    """
    findings = {StageId.of(found["stage"]): found["text"] for found in reversed(report.get("findings", []))}
    stages = {StageId.of(stage): stage for stage in report.get("stages", [])}
    for name in from_json(report.get("blockage")):
        first = of_stage(report, name)["first"]
        if first:
            best = next((found for found in first if found["difference"] == "changed"), first[0])
            return f"{name}, {_sentence(best)}"
        if reason := stages.get(name, {}).get("reason") or findings.get(name):
            return f"{name}: {' '.join(str(reason).split())}"
    for point in report.get("checkpoints", []):
        if not point["holds"]:
            counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in point["counts"].items())
            return f"Checkpoint {point['name']}: expected {point['expected']}, found {counts}"
    return None


def _sentence(found: Mapping[str, Any]) -> str:
    # A key may be a hash, so it comes last.
    key = ", ".join(f"{column} {cell}" for column, cell in (found["row_key"] or {}).items())
    feeding = fed_by(found, MESSAGES_NAMED)
    fed = f"; fed by {feeding}" if feeding else ""
    if found["column"] is None:
        return f"{found['difference']}{fed}: {key or visible(found['actual'] or found['expected'])}"
    cell = f"{found['column']} {visible(found['actual'])}, expected {visible(found['expected'])}{fed}"
    return f"{cell}; {key}" if key else cell


def differences_in_all(report: Mapping[str, Any]) -> int:
    """Return the total number of differences of all stages."""
    return sum(found["count"] for found in report.get("differences", []))
