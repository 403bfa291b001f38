"""`--suggest`: adds the messages that close blind spots to the dye."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile

from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.seeds.dye_seeds import expected_file
from angiogram.dbt.seeds.stored_seeds import StoredSeed, replace_all
from angiogram.dye.calculation import Calculation, calculation_of, expected_by
from angiogram.dye.seeds import DyeMessage, has_dye, message_columns, messages_file, messages_of, seed_row
from angiogram.sensitivity.witnesses.witness import Witness
from ingestion.settings.pipeline import contract


def require_calculation(directory: Path) -> Calculation:
    """Return the project's independent calculation.

    Only a calculation may say what the results of new messages should be.

    Raises:
        UnsupportedProject: the project has none.
        InvalidSettings: it declares one that cannot be used.
    """
    calculation = calculation_of(directory) if has_dye(directory) else None
    if calculation is None:
        raise UnsupportedProject(
            f"{directory} has no independent calculation: add the rows shown to its input seeds by hand."
        )
    return calculation


def add_to_dye(calculation: Calculation, directory: Path, found: Iterable[Witness]) -> list[str]:
    """Add messages that close blind spots to the dye, and rewrite every expected seed.

    The expected seeds come from the independent calculation.

    Args:
        calculation: the project's calculation.
        directory: the project's folder.
        found: the witnesses whose messages are added.

    Returns:
        Names of the new messages.

    Raises:
        SeedError: the seeds cannot be read.
        SeedNotWritten: a seed cannot be written. All seeds are unchanged.
    """
    added: dict[int, DyeMessage] = {}
    for witness in found:
        for item in witness.items if witness.closes else ():
            name = f"blind-spot-{witness.mutant.id}-{item.number}"
            why = f"Shows a mistake in {witness.mutant.node}, {witness.mutant.place}: {witness.mutant.operator}."
            added.setdefault(item.number, replace(item, name=name, why=why))
    promised, file = contract(directory), messages_file(directory)
    stored, lines = StoredSeed.read(file), StringIO()
    writer = csv.DictWriter(lines, message_columns(promised), lineterminator="\n")
    writer.writerows(seed_row(message, promised) for message in added.values())
    dye = (stored.content or b"") + lines.getvalue().encode()
    with NamedTemporaryFile(suffix=file.name) as new:
        new.write(dye)
        new.flush()
        messages = messages_of(Path(new.name), promised)
    expected = [
        (StoredSeed.read(expected_file(directory, Path(name).stem), may_be_absent=True), content)
        for name, content in expected_by(calculation, directory, messages).items()
    ]
    replace_all(directory, [(stored, dye), *expected])
    return [message.name for message in added.values()]
