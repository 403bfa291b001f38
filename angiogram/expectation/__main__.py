"""`python -m angiogram.expectation [--check]`: write the expected seeds of the dye, or compare the stored ones."""

import argparse
import sys
from datetime import date
from pathlib import Path

import yaml

from angiogram.dye import dye_messages, read_dye
from angiogram.errors import AngiogramError, SeedError
from angiogram.expectation import differing_files, expected_tables, read_reference, write_expected

CHECKOUT = Path(__file__).resolve().parents[2]
SEEDS = CHECKOUT / "seeds"
DBT_PROJECT = CHECKOUT / "dbt_project" / "dbt_project.yml"


def last_day(dbt_project: Path = DBT_PROJECT) -> date:
    """The variable last_day of the dbt project: where dim_dates ends.

    Raises:
        SeedError: the file is absent or does not set the variable.
    """
    try:
        value = yaml.safe_load(dbt_project.read_text(encoding="utf-8"))["vars"]["last_day"]
    except (FileNotFoundError, KeyError) as error:
        raise SeedError(f"{dbt_project} does not set the variable last_day ({error!r}); it ends dim_dates.") from error
    return date.fromisoformat(str(value))


def main(arguments: list[str] | None = None) -> int:
    """Write or check the expected seeds. Exit code 0: done or equal, 1: some differ, 2: could not run."""
    parser = argparse.ArgumentParser(prog="python -m angiogram.expectation", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and name the files that differ")
    folder = SEEDS / "angiogram" / "expected"
    check = parser.parse_args(arguments).check
    try:
        tables = expected_tables(
            dye_messages(read_dye(SEEDS / "angiogram" / "input" / "dye_rides.csv")),
            read_reference(SEEDS / "reference"),
            last_day(),
        )
    except AngiogramError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if check:
        differing = differing_files(folder, tables)
        print(*differing, sep="\n", end="\n" if differing else "")
        return 1 if differing else 0
    write_expected(folder, tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
