"""The whole catalogue, in the order of the stages."""

from collections.abc import Sequence

from angiogram.errors import UnknownFault
from angiogram.faults import absorbed, marts, models, seeds, way
from angiogram.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (*way.FAULTS, *models.FAULTS, *marts.FAULTS, *seeds.FAULTS, *absorbed.FAULTS)


def chosen(names: Sequence[str]) -> list[Fault]:
    """The faults of these names, in the order of the catalogue; all of them without names.

    Raises:
        UnknownFault: a name is not in the catalogue.
    """
    if unknown := sorted(set(names) - {fault.name for fault in FAULTS}):
        raise UnknownFault(f"No fault is called {', '.join(unknown)}. `angiogram faults --list` names them all.")
    return [fault for fault in FAULTS if not names or fault.name in names]
