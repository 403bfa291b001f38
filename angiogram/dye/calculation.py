"""The independent calculation of a pipeline: expected rows, worked out without dbt.

It follows the business rules alone. A pipeline may declare one in angiogram.yml (`calculation: package.module:OBJECT`).
Then `accept` writes only what model and calculation agree on, a run can tell a wrong expected seed from a wrong model,
and `sensitivity` can add messages to the dye. The calculation is optional.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from angiogram.core.errors import InvalidSettings
from angiogram.dbt.declared import declared
from angiogram.dbt.seeds.seed_text import Row, expected_seeds
from angiogram.dye.seeds import DyeMessage, StoredMessage, dye_messages, read_dye
from ingestion.settings.pipeline import pipeline


class Calculation(Protocol):
    """The interface of the calculation that a pipeline declares."""

    @property
    def columns(self) -> Mapping[str, Sequence[str]]:
        """Ordered columns of each table that it knows, without run-dependent ones.

        The tables include reference seeds, so that changed reference data can be distinguished from a wrong model.
        """

    def tables(
        self, messages: Iterable[StoredMessage], project: Path, expected_reference: bool = False
    ) -> dict[str, list[Row]]:
        """Rows that each table must hold after all messages, in whatever batches they came.

        Args:
            messages: the messages, in any order. Tables with a row for each message keep this order.
            project: the folder of the dbt project, which holds the reference data.
            expected_reference: whether to take reference data from its expected seeds, from which the expected rows of
                the models were worked out.

        Raises:
            SeedError: a message or the reference data cannot be used.
        """

    def record(self, message: StoredMessage) -> str | None:
        """Identify the record that a message is a version of. None if it cannot be known.

        Messages with the same answer are versions of the same record.
        """

    def random_messages(self, number: int, project: Path, seed: int) -> list[DyeMessage]:
        """Make random messages near the boundaries of the rules, the same ones for the same seed.

        Most belong to batch 1 and some to batch 2. Each of the last two has a batch of its own.

        Args:
            number: how many messages.
            project: the folder of the dbt project, which holds the reference data.
            seed: seed of the random generator.
        """


def calculation_of(project: Path) -> Calculation | None:
    """Import the calculation that a dbt project declares. None if it declares none.

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
    """Calculate a project's expected seeds from its dye and reference data: text by file name.

    Args:
        calculation: the project's calculation.
        project: the project's folder.
        messages: the messages of the dye. Default: those of the project.

    Raises:
        SeedError: the dye or the reference data cannot be read.
    """
    dye = read_dye(project) if messages is None else messages
    return expected_seeds(calculation.columns, calculation.tables(dye_messages(dye), project))
