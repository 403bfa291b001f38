"""The catalogue of faults, which a pipeline declares in angiogram.yml."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from angiogram.core.errors import InvalidSettings, UnknownFault, UnsupportedProject
from angiogram.dbt.declared import declared
from angiogram.faults.fault import Fault


def catalogue_of(project: Path) -> tuple[Fault, ...]:
    """Return the faults that a dbt project declares, in order.

    Args:
        project: its folder.

    Raises:
        UnsupportedProject: it declares none.
        InvalidSettings: what it declares cannot be imported, or is not a catalogue.
    """
    if (named := declared(project, "faults")) is None:
        raise UnsupportedProject(
            f"{project} declares no faults to play: name its catalogue in angiogram.yml, as "
            "`faults: package.module:CATALOGUE`."
        )
    found, place = named
    faults = tuple(found) if isinstance(found, Iterable) else ()
    if not faults or not all(isinstance(fault, Fault) for fault in faults):
        raise InvalidSettings(f"{place} is not a sequence of angiogram.faults.fault.Fault. Make it one.")
    return faults


def chosen(catalogue: Sequence[Fault], names: Sequence[str]) -> list[Fault]:
    """Return the faults of these names, or all without names, in catalogue order.

    Raises:
        UnknownFault: a name is not in the catalogue.
    """
    if unknown := sorted(set(names) - {fault.name for fault in catalogue}):
        raise UnknownFault(f"There is no fault {', '.join(unknown)}. `angiogram faults --list` lists them all.")
    return [fault for fault in catalogue if not names or fault.name in names]
