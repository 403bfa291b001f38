"""Write the expected seeds of the dye (test records with known results).

With --check, only compare the stored ones: `python -m taxi.calculation --check`.
"""

import argparse
import sys

from angiogram.core.errors import AngiogramError
from angiogram.dbt.project_file import project_directory
from angiogram.dbt.seeds.dye_seeds import expected_folder
from angiogram.dbt.seeds.seed_text import differing_files, write_expected
from angiogram.dye.calculation import expected_by
from taxi.calculation import CALCULATION


def main(arguments: list[str] | None = None) -> int:
    """Write or check the expected seeds.

    Exit code 0: done or equal, 1: some differ, 2: could not run.
    """
    parser = argparse.ArgumentParser(prog="python -m taxi.calculation", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and name the files that differ")
    check = parser.parse_args(arguments).check
    project = project_directory()
    folder = expected_folder(project)
    try:
        seeds = expected_by(CALCULATION, project)
    except AngiogramError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if check:
        differing = differing_files(folder, seeds)
        print(*differing, sep="\n", end="\n" if differing else "")
        return 1 if differing else 0
    write_expected(folder, seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
