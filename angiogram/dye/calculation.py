"""The independent calculation of a pipeline: expected rows worked out without dbt, from the rules alone.

A pipeline may declare one in angiogram.yml (`calculation: package.module:OBJECT`). Then `accept` writes only what model
and calculation agree on, a wrong expected seed is told from a wrong model, and `sensitivity` can add messages to the
dye. A pipeline without one needs nothing of this.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from angiogram.core.errors import InvalidSettings
from angiogram.dbt.declared import declared
from angiogram.dbt.seeds.seed_text import Row, expected_seeds
from angiogram.dye.seeds import DYE_FOLDER, DyeMessage, StoredMessage, dye_messages, read_dye
from ingestion.settings.pipeline import pipeline

EXPECTED_FOLDER = DYE_FOLDER.parent / "expected"
"""Where a dbt project with a calculation keeps its expected seeds."""


class Calculation(Protocol):
    """What general code asks of the calculation that a pipeline declares."""

    @property
    def columns(self) -> Mapping[str, Sequence[str]]:
        """Columns of each table that it knows, in their order, without those that differ from run to run.

        Reference seeds are among the tables, so that reference data that changed is told from a wrong model.
        """

    def tables(
        self, messages: Iterable[StoredMessage], project: Path, expected_reference: bool = False
    ) -> dict[str, list[Row]]:
        """The rows that each table must hold once all messages are taken, whatever the batches they came in.

        Args:
            messages: in any order; tables with a row for each message list them in this one.
            project: the folder of the dbt project, which holds the reference data.
            expected_reference: whether reference data is taken from its expected seeds: what the expected rows of the
                models were worked out from.

        Raises:
            SeedError: a message or the reference data cannot be used.
        """

    def record(self, message: StoredMessage) -> str | None:
        """What a message is a version of: messages with the same answer are; None if nobody can know."""

    def random_messages(self, number: int, project: Path, seed: int) -> list[DyeMessage]:
        """Random messages near the boundaries of the rules, always the same ones for the same seed.

        Most are of batch 1, some of batch 2, and the last two of a batch of their own each.

        Args:
            number: how many.
            project: the folder of the dbt project, which holds the reference data.
            seed: another seed gives other messages.
        """


def calculation_of(project: Path) -> Calculation | None:
    """The calculation that a dbt project declares; None if it declares none.

    Args:
        project: its folder.

    Raises:
        InvalidSettings: it cannot be imported, or a part of it is missing.
    """
    if (named := declared(project, "calculation")) is None:
        return None
    found, place = named
    if pipeline(project).contract_path is None:
        raise InvalidSettings(f"{place} works on messages, and no contract says what these are. Declare a contract.")
    parts = [name for name in vars(Calculation) if not name.startswith("_")]
    if missing := [name for name in parts if not hasattr(found, name)]:
        raise InvalidSettings(
            f"{place} {type(found).__name__} does not have {', '.join(missing)}. Add what is missing, as "
            "angiogram.dye.calculation.Calculation describes it."
        )
    calculation: Calculation = found
    return calculation


def expected_by(
    calculation: Calculation, project: Path, messages: Sequence[DyeMessage] | None = None
) -> dict[str, bytes]:
    """The expected seeds that a calculation makes of a project's dye and reference data: contents by file name.

    Args:
        calculation: the project's.
        project: its folder.
        messages: of the dye; by default those that the project has.

    Raises:
        SeedError: the dye or the reference data cannot be read.
    """
    dye = read_dye(project) if messages is None else messages
    return expected_seeds(calculation.columns, calculation.tables(dye_messages(dye), project))
