"""Findings and notices about differences between live SQL and dye SQL."""

from collections.abc import Iterator
from pathlib import Path

from angiogram.core.findings import FindingKind
from angiogram.core.stage_id import MODEL, TARGET, StageId
from angiogram.dbt.live_target import LiveTarget, OnOtherEngine, Unread
from angiogram.dbt.project import Project
from angiogram.judge.guards.changes import Change
from angiogram.judge.guards.live_sql import LiveSql, Places, SqlDifference
from angiogram.judge.guards.surface import Surface
from ingestion.settings.settings_file import SETTINGS_FILE

LINES_SHOWN = 12
"""Lines shown per model. The others are counted."""

NOT_COMPARED = "live_sql_not_compared"
"""Code of the notice that some live SQL was not compared."""


def without_target() -> Change:
    """Notice that no live target is set."""
    return Change(
        f"Live SQL was not compared: {SETTINGS_FILE} names no live_target, so production-only SQL is untested.",
        code=NOT_COMPARED,
    )


def another_target(accepted: Surface, target: str | None) -> Iterator[Change]:
    """Yield the change of the live target since the surface was accepted.

    Args:
        accepted: the accepted surface.
        target: name of the live target now. None if none is set.
    """
    before = accepted.live_target
    if before is None or before == target:
        return
    now = f"names {target} as live_target" if target else "names no live_target"
    yield Change(
        f"{SETTINGS_FILE} {now}; the accepted surface is that of target {before}, whose SQL is no longer compared.",
        StageId(TARGET, before),
        FindingKind.WATCH,
        file=SETTINGS_FILE,
    )


def of_unread(target: str, unread: Unread) -> Change:
    """Change that says the project could not be read under the live target."""
    if unread.is_fault:
        return Change(
            f"dbt cannot read the project under target {target}: {unread.reason}.",
            unread.stage,
            FindingKind.LIVE_SQL,
            advice="Correct it: production cannot be built from this.",
            file=unread.file,
        )
    return Change(
        f"Neither live SQL nor live table names were compared: target {target} cannot be read: {unread.reason}.",
        code=NOT_COMPARED,
    )


def across_engines(live: LiveTarget | OnOtherEngine, project: Project) -> Change:
    """Notice that the live target and the dye target are on two engines."""
    return Change(
        f"Live SQL was not compared: target {live.name} is on {live.adapter}, and target {project.target} on "
        f"{project.adapter}. A run under a dye target on {live.adapter} compares it.",
        code=NOT_COMPARED,
    )


def unintended(found: LiveSql, project: Project, target: str) -> Iterator[Change]:
    """Yield differences not listed as intended in angiogram.yml, and what was not compared.

    Args:
        found: how the SQL of the live target compares.
        project: the project under the dye target.
        target: name of the live target.
    """
    listed = {one.node for one in project.settings.intended.live_sql if one.node}
    for name, message in found.errors.items():
        yield Change(
            f"{name} compiles under target {project.target}, but not under target {target}: {message.strip()}",
            StageId(MODEL, name),
            FindingKind.LIVE_SQL,
            advice="Correct it: production cannot build it.",
        )
    for name, difference in found.differences.items():
        if name not in listed:
            yield Change(
                _told(difference, target, project.target),
                difference.stage,
                FindingKind.LIVE_SQL,
                advice=f"Make both equal, or list {name} in {SETTINGS_FILE} under intended: live_sql, with a reason.",
                file=difference.file,
                line=_line(project.directory / difference.file, difference.places),
            )
    for name, hidden in found.unseen.items():
        if not hidden.is_listed and name not in listed:
            yield Change(
                f"{hidden.text} No compilation shows what it does under target {target}.",
                hidden.stage,
                FindingKind.LIVE_SQL,
                advice=f"Make it the same under every target, or list it in {SETTINGS_FILE} under intended: live_sql "
                f"({hidden.entry}), with a reason.",
                file=hidden.file,
            )
    for one in project.settings.intended.live_sql:
        known = {*found.unseen, *(found.differences if one.node else found.switches)}
        if (one.node or one.macro) not in known:
            what = f"{one.kind} {one.node} does not differ" if one.node else f"nothing uses the macro {one.macro}"
            text = f"{SETTINGS_FILE} lists a difference in live SQL that does not exist: {what}. Delete the entry."
            yield Change(text, code="intended_unused")
    if found.uncompared:
        text = (
            f"Live SQL of {', '.join(found.uncompared)} was not compared: it depends on the target, and on results of "
            "queries that run while it is compiled."
        )
        yield Change(text, code=NOT_COMPARED)
    if found.environment:
        text = (
            f"{', '.join(found.environment)} read environment variables (env_var). Their live SQL was compared only "
            "with the values of this environment."
        )
        yield Change(text, code=NOT_COMPARED)
    if found.alone:
        text = f"Target {target} builds {', '.join(found.alone)}, which the dye does not reach."
        yield Change(text, code="live_only")


def changes(accepted: Surface, now: Surface, found: LiveSql, target: str, dye_target: str) -> Iterator[Change]:
    """Yield what changed since it was accepted as intended or as a replaced input of the dye.

    Args:
        accepted: the accepted surface.
        now: the surface of this run.
        found: how the SQL of the live target compares.
        target: name of the live target.
        dye_target: name of the dye target.
    """
    for name, before in accepted.intended.items():
        after = now.intended.get(name)
        if after is None or after == before:
            continue
        if name in found.users:
            text = f"The macro {name} generates other SQL under target {target} than when the difference was accepted."
            stage, file = StageId(MODEL, found.users[name]), None
        elif name in found.unseen:
            hidden = found.unseen[name]
            text = f"{hidden.text} Its text has changed since that was accepted."
            stage, file = hidden.stage, hidden.file
        else:
            text = (
                f"{_told(found.differences[name], target, dye_target)}\nThis is not the difference that was accepted."
            )
            stage, file = found.differences[name].stage, found.differences[name].file
        yield Change(text, stage, FindingKind.LIVE_SQL, file=file)
    yield from not_accepted(accepted, now, found, target)
    for name, stands_for in now.inputs.items():
        before_it = accepted.inputs.get(name)
        if before_it is None:
            yield Change(f"Under target {target}, {', '.join(stands_for)} takes the place of the dye input {name}.")
        else:
            for new in sorted(set(stands_for) - set(before_it)):
                readers = found.readers[name, new]
                text = (
                    f"Under target {target}, {', '.join(readers)} reads {new} in place of the dye input {name}; "
                    f"accepted is {', '.join(before_it)}."
                )
                yield Change(text, StageId(MODEL, readers[0]), FindingKind.LIVE_SQL)


def not_accepted(accepted: Surface, now: Surface, found: LiveSql, target: str) -> Iterator[Change]:
    """Yield the differences listed as intended that nobody has accepted yet.

    Args:
        accepted: the accepted surface; an empty one if there is none.
        now: the surface of this run.
        found: how the SQL of the live target compares.
        target: name of the live target.
    """
    for name in sorted(now.intended.keys() - accepted.intended.keys()):
        if name in found.differences and name not in found.switches:
            what = f"what {name} runs only under target {target}: {_headline(found.differences[name])}"
        elif name in found.unseen and name not in found.switches:
            what = found.unseen[name].text
        else:
            what = f"what the macro {name} generates under target {target}"
        text = f"{SETTINGS_FILE} lists a difference as intended that nobody has accepted yet: {what}"
        yield Change(f"{text.rstrip('.')}. If it is intended: angiogram accept", code="intended_new")


def ambiguous(accepted: Surface | None, found: LiveSql, target: str) -> Iterator[Change]:
    """Yield inputs of the dye whose live counterpart is ambiguous and not accepted.

    An input is ambiguous if it stands for several relations, or if several inputs stand for the same one.

    Args:
        accepted: the accepted surface, if there is one.
        found: how the SQL of the live target compares.
        target: name of the live target.
    """
    known = accepted.inputs if accepted else {}
    inputs_of: dict[str, list[str]] = {}
    for name, stands_for in found.inputs.items():
        for relation in stands_for:
            inputs_of.setdefault(relation, []).append(name)
        if len(stands_for) > 1 and name not in known:
            text = f"The dye input {name} stands for {' and '.join(stands_for)} under target {target}."
            yield Change(f"{text} A model that reads the wrong one would go unnoticed.", code="inputs")
    for relation, names in inputs_of.items():
        if len(names) > 1 and not set(names) & known.keys():
            text = f"The dye inputs {' and '.join(names)} both stand for {relation} under target {target}."
            yield Change(f"{text} Check that none of its readers should read another relation.", code="inputs")


def _told(difference: SqlDifference, target: str, dye_target: str) -> str:
    """Describe a difference in one sentence, then line by line."""
    places = difference.places
    width = max(len(target), len(dye_target))
    lines = [f"    {name:<{width}}  {line}" for name, line in _beside(places, target, dye_target)]
    more = [f"    and {len(lines) - LINES_SHOWN} more lines"] if len(lines) > LINES_SHOWN else []
    headline = (
        f"{difference.stage} runs other SQL under target {target} than the dye tests ({difference.form}): "
        f"{_headline(difference)}"
    )
    return "\n".join([headline, *lines[:LINES_SHOWN], *more])


def _headline(difference: SqlDifference) -> str:
    """The first line that the live target alone has, or else the first that it lacks."""
    live, dye = (next((line for place in difference.places for line in place[side]), None) for side in (0, 1))
    return live if live is not None else f"without {dye}"


def _beside(places: Places, target: str, dye_target: str) -> Iterator[tuple[str, str]]:
    for live, dye in places:
        yield from ((target, line) for line in live or ["-"])
        yield from ((dye_target, line) for line in dye or ["-"])


def _line(file: Path, places: Places) -> int | None:
    """Number of the one line of a file that holds a differing line. None if not exactly one."""
    if not file.is_file():
        return None
    stored = [" ".join(line.split()) for line in file.read_text(encoding="utf-8").splitlines()]
    for live, dye in places:
        for line in (*live, *dye):
            if stored.count(line) == 1:
                return stored.index(line) + 1
    return None
