"""The taxi's calculation in the form that general code uses.

It takes the messages and the folder of the dbt project.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from angiogram.core.errors import SeedError
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX
from angiogram.dbt.seeds.seed_text import Row
from angiogram.dye.calculation import Calculation
from angiogram.dye.seeds import DyeMessage, StoredMessage
from ingestion.settings.project_file import PROJECT_FILE, read_project_file
from taxi.calculation.models import staged_ride
from taxi.calculation.random_rides import random_rides
from taxi.calculation.reference import read_reference
from taxi.calculation.tables import COLUMNS, expected_tables


class TaxiCalculation:
    """See angiogram.dye.calculation.Calculation."""

    columns: Mapping[str, Sequence[str]] = COLUMNS

    def tables(
        self, messages: Iterable[StoredMessage], project: Path, expected_reference: bool = False
    ) -> dict[str, list[Row]]:
        """Return the rows that each model must hold, including the reference seeds."""
        seeds = project / "seeds"
        reference = (
            read_reference(seeds / "angiogram" / "expected", EXPECTED_PREFIX)
            if expected_reference
            else read_reference(seeds / "reference")
        )
        return expected_tables(messages, reference, last_day(project))

    def record(self, message: StoredMessage) -> str | None:
        """Return the ride that a message is a version of."""
        return staged_ride(message).ride_id

    def random_messages(self, number: int, project: Path, seed: int) -> list[DyeMessage]:
        """Return random rides near the boundaries of the rules."""
        return random_rides(number, read_reference(project / "seeds" / "reference"), seed)


CALCULATION: Calculation = TaxiCalculation()


def last_day(project: Path) -> date:
    """Return the variable last_day of the dbt project: the last day of dim_dates.

    Raises:
        SeedError: the file is missing or does not set the variable.
    """
    try:
        value = read_project_file(project)["vars"]["last_day"]
    except (FileNotFoundError, KeyError) as error:
        raise SeedError(
            f"{project / PROJECT_FILE} does not set the variable last_day ({error!r}); it ends dim_dates."
        ) from error
    return date.fromisoformat(str(value))
