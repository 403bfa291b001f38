"""Defines a fault, and the places where it can be planted."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, LiteralString

from psycopg2.extensions import cursor

from angiogram.core.errors import FaultNotPlanted
from angiogram.dye.messages import OutgoingMessage, Sent
from angiogram.dye.seeds import read_dye
from angiogram.faults.door import Parcel
from angiogram.store import runs
from ingestion.contract import OWNER
from ingestion.database.sessions import connect

Step = Literal["inject", "check_topic", "load", "check_loaded", "build_batch_1", "build_batch_2"]

Tamper = Callable[[Parcel], list[Parcel]]


@dataclass
class Ground:
    """Where a fault is planted: a copy of the dbt project, and the steps of a run.

    Attributes:
        project: the copy's folder, including its seeds.
        tamper: what a proxy before the front door does with each message; None for no proxy.
        order: the order in which the dye is sent; None for the usual one.
    """

    project: Path
    tamper: Tamper | None = None
    order: Callable[[list[OutgoingMessage]], list[OutgoingMessage]] | None = None
    _before: dict[str, list[Callable[[str], None]]] = field(default_factory=lambda: defaultdict(list))
    _undo: list[Callable[[], object]] = field(default_factory=list)

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        """Replace texts in a file of the copy.

        Args:
            path: relative to the project's folder.
            changes: old and new text; the old one must exist.

        Raises:
            FaultNotPlanted: an old text does not exist.
        """
        file = self.project / path
        text = file.read_text(encoding="utf-8")
        for old, new in changes:
            if old not in text:
                raise FaultNotPlanted(f"{path} does not hold {old!r} (any longer): correct the fault in the catalogue.")
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8", newline="")

    def before(self, step: Step, act: Callable[[str], None]) -> None:
        """Register an action before a step. It receives the run ID."""
        self._before[step].append(act)

    def undo(self, act: Callable[[], object]) -> None:
        """Register an action for the end of the run, whatever happens."""
        self._undo.append(act)

    def reach(self, step: str, run_id: str) -> None:
        """Perform the actions registered before a step of `angiogram.run.walk`."""
        for act in self._before[step]:
            act(run_id)

    def clean_up(self) -> None:
        """Perform the actions registered for the end, the latest first."""
        while self._undo:
            self._undo.pop()()


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault.

    Attributes:
        name: unique in the catalogue.
        description: what goes wrong, in a sentence.
        planted: the stages that must be named, as text, and no others; none if a correct pipeline absorbs the fault.
        plant: plants it.
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
    """Return an action that changes what the loader stored of a run, by one statement.

    The statement gets the run ID as %(run_id)s.

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
    """Return where the dye of a run was sent to."""
    with runs.database("faults") as database:
        return [Sent.of(state) for state in runs.read(database, run_id).step("inject")["sent"]]


def number_of(name: str) -> int:
    """Return the number of a dye message.

    Raises:
        FaultNotPlanted: no message has this name.
    """
    for message in read_dye():
        if message.name == name:
            return message.number
    raise FaultNotPlanted(f"The dye has no message {name}: correct the fault in the catalogue.")
