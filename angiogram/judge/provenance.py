"""Counts the expected seeds that only repeat what their models did, and those still empty.

A recorded expected seed was filled from its model's own output (`angiogram accept`), so it catches every later change
and no mistake that was there before. One that waits for its first rows is compared with nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from angiogram.core.findings import Notice
from angiogram.core.stage import Stage
from angiogram.core.stage_id import StageId
from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.manifest.seed_files import recorded_rows
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.recorded import Recorded

_NAMED = 5
"""How many models a sentence names. The rest are counted."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of the expected seeds of a project.

    Attributes:
        recorded: how many rows are recorded and not yet reviewed, by the stages of those seeds that have any.
        waiting: how many rows the model produced, by the stages whose expected seeds wait for their first rows.
    """

    recorded: Mapping[StageId, int] = field(default_factory=dict)
    waiting: Mapping[StageId, int] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project, stages: Mapping[StageId, Stage]) -> "Provenance":
        """Look up the expected seeds of the stages of a run.

        Raises:
            InvalidRecord: the list of recorded seeds cannot be read.
        """
        nodes = [node for node in project.nodes.values() if node.stage in stages]
        listed = Recorded.read(project.directory)
        recorded = {
            node.stage: recorded_rows(node_with_id(project.manifest, node.expected_id), listed)
            for node in nodes
            if node.expected_id and node.is_watched
        }
        waiting = {node.stage: stages[node.stage].rows or 0 for node in nodes if node.is_waiting}
        return cls({stage: rows for stage, rows in recorded.items() if rows is not None}, waiting)

    def notices(self) -> Iterator[Notice]:
        """Yield what a reader of any verdict should know."""
        if self.recorded:
            rows = sum(self.recorded.values())
            yield Notice(
                "recorded",
                f"{_expected(self.recorded)} recorded from the models' own output and not yet reviewed "
                f"({_named(self.recorded)}): {rows} row{'s' if rows != 1 else ''} that no person has worked out.",
            )
        if told := self.to_accept:
            yield Notice("waiting", told)

    @property
    def to_accept(self) -> str | None:
        """What the command accept would write, in words. None if no expected seed waits."""
        if not self.waiting:
            return None
        rows = sum(self.waiting.values())
        return (
            f"{len(self.waiting)} expected seed{'s have' if len(self.waiting) != 1 else ' has'} no rows yet. "
            f"`angiogram accept --all` would write {rows} row{'s' if rows != 1 else ''} ({_named(self.waiting)})."
        )


NOTHING_KNOWN = Provenance()
"""No expected seed is recorded or waits."""


def _expected(rows: Mapping[StageId, int]) -> str:
    return f"{len(rows)} expected seeds are" if len(rows) != 1 else "1 expected seed is"


def _named(rows: Mapping[StageId, int]) -> str:
    ordered = sorted(rows.items(), key=lambda one: (-one[1], str(one[0])))
    some = [f"{stage} {count}" for stage, count in ordered[:_NAMED]]
    return ", ".join(some) + (f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else "")
