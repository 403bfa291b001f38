"""What a test, a model and angiogram.yml say of how an output is compared.

The macro `comparison_as_declared` of the dbt package reads the same for dbt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from angiogram.core.errors import UnsupportedProject

META = "equals_expected"
"""The entry of a model's meta that says how it is compared."""


def _names(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be a column's name, or a list of them")
    return tuple(names)


def _decimals(value: Any) -> dict[str, int]:
    is_right = isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    if not is_right or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value.values()):
        raise ValueError("must give columns a number of decimals, as {amount: 2}")
    return dict(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _condition(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a condition in SQL")
    return value


ENTRIES: dict[str, Callable[[Any], Any]] = {
    **{"key": _names, "only": _names, "exclude": _names, "precision": _decimals, "types": _flag},
    **{"column_order": _flag, "where": _condition},
}
"""What can be said, and what checks it."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """How an output is compared.

    Attributes:
        key: the columns that identify a row. Empty: nothing says so.
        only: the columns that are compared besides the key. Empty: all.
        exclude: columns that are not compared, besides those of the variable run_dependent_columns.
        precision: to how many decimals numbers are compared, by column.
        types: whether the types of columns are compared.
        column_order: whether the order of columns is compared.
        where: which rows of the output are compared, as SQL. None: all.
    """

    key: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    precision: Mapping[str, int] = field(default_factory=dict)
    types: bool = True
    column_order: bool = False
    where: str | None = None

    @classmethod
    def read(cls, *said: tuple[str, Mapping[str, Any]]) -> Self:
        """Read what is said in several places. The first one that says something counts.

        Args:
            said: each place in words, with its entries by name.

        Raises:
            UnsupportedProject: an entry is unknown or has a value that it cannot have.
        """
        found: dict[str, Any] = {}
        for place, entries in said:
            for name, value in entries.items():
                if name not in ENTRIES:
                    raise UnsupportedProject(
                        f"{place} has an unknown entry {name}. Known ones: {', '.join(sorted(ENTRIES))}."
                    )
                if value is None:
                    continue
                try:
                    checked = ENTRIES[name](value)
                except ValueError as error:
                    raise UnsupportedProject(f"{place}: {name} {error}, not {value!r}.") from error
                found.setdefault(name, checked)
        return cls(**found)


EXACTLY = Expectation()
"""All columns and their types are compared, and numbers with all their digits."""
