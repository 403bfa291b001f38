"""What a fault is, and the ground on which it is planted."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, LiteralString

from psycopg2.extensions import cursor

from angiogram.core.errors import FaultNotPlanted
from angiogram.dye.inject import OutgoingMessage, Sent
from angiogram.dye.seeds import read_dye
from angiogram.faults.door import Parcel
from angiogram.store import runs
from ingestion.contract import OWNER
from ingestion.database.sessions import connect

Step = Literal["inject", "check_topic", "load", "check_loaded", "build_batch_1", "build_batch_2"]

Tamper = Callable[[Parcel], list[Parcel]]


@dataclass
class Ground:
    """Where a fault is planted: a copy of the dbt project, and the moments of a run.

    Attributes:
        project: the copy's folder; its seeds lie in it.
        tamper: what a door before the front door makes of each message; None for no such door.
        order: in which order the dye is sent; None for the usual one.
    """

    project: Path
    tamper: Tamper | None = None
    order: Callable[[list[OutgoingMessage]], list[OutgoingMessage]] | None = None
    _before: dict[str, list[Callable[[str], None]]] = field(default_factory=lambda: defaultdict(list))
    _undo: list[Callable[[], object]] = field(default_factory=list)

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        """Replace texts in a file of the copy.

        Args:
            path: below the project's folder.
            changes: old and new text; the old one must be there.

        Raises:
            FaultNotPlanted: an old text is not there.
        """
        file = self.project / path
        text = file.read_text(encoding="utf-8")
        for old, new in changes:
            if old not in text:
                raise FaultNotPlanted(f"{path} does not hold {old!r} (any more): correct the fault in the catalogue.")
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8", newline="")

    def before(self, step: Step, act: Callable[[str], None]) -> None:
        """Do something before a step; it is given the run id."""
        self._before[step].append(act)

    def undo(self, act: Callable[[], object]) -> None:
        """Do something when the run is over, whatever happened."""
        self._undo.append(act)

    def reach(self, step: str, run_id: str) -> None:
        """Do what was to be done before a step of `angiogram.run.walk`."""
        for act in self._before[step]:
            act(run_id)

    def clean_up(self) -> None:
        """Do what was to be done at the end, last first."""
        while self._undo:
            self._undo.pop()()


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault.

    Attributes:
        name: tells it from all others.
        description: what goes wrong, in a sentence.
        planted: the stages that must be named, as text, and no others; none if a right pipeline absorbs it.
        plant: puts it on the ground.
    """

    name: str
    description: str
    planted: tuple[str, ...]
    plant: Callable[[Ground], None]


def as_owner(act: Callable[[cursor], Any]) -> Any:
    """Do something in the raw schemas as their owner, in one transaction."""
    with (
        closing(connect(OWNER, "angiogram faults")) as database,
        database,
        database.cursor() as query,
    ):
        return act(query)


def change_loaded(statement: LiteralString) -> Callable[[str], None]:
    """A change of what the loader stored of a run, by one statement with its run id as %(run_id)s.

    Raises:
        FaultNotPlanted: it changed no row.
    """

    def act(run_id: str) -> None:
        def execute(query: cursor) -> None:
            query.execute(statement, {"run_id": run_id})
            if query.rowcount < 1:
                raise FaultNotPlanted(f"No row was changed by: {statement}")

        as_owner(execute)

    return act


def places(run_id: str) -> list[Sent]:
    """Where the dye of a run was put."""
    with runs.database("faults") as database:
        return [Sent.of(state) for state in runs.read(database, run_id).step("inject")["sent"]]


def number_of(name: str) -> int:
    """The number of a message of the dye.

    Raises:
        FaultNotPlanted: no message has this name.
    """
    for message in read_dye():
        if message.name == name:
            return message.number
    raise FaultNotPlanted(f"The dye has no message {name}: correct the fault in the catalogue.")
