"""The options by which a person selects models, in dbt's own grammar."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a person asked for. dbt alone reads the grammar.

    Attributes:
        select: values of --select. Empty: everything, unless there is a selector.
        exclude: values of --exclude.
        selector: name of a selector in selectors.yml. None: none.
        state: folder with the manifest.json to compare with. None: none.
    """

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    selector: str | None = None
    state: Path | None = None

    def __bool__(self) -> bool:
        """Return whether anything is selected or excluded."""
        return bool(self.select or self.exclude or self.selector)

    def __str__(self) -> str:
        """Return the options as they would be typed."""
        return shlex.join(self._words())

    def _words(self) -> Iterator[str]:
        for option, values in (("--select", self.select), ("--exclude", self.exclude)):
            if values:
                yield from (option, *values)
        if self.selector:
            yield from ("--selector", self.selector)
        if self.state:
            yield from ("--state", str(self.state))


NO_CRITERIA = Criteria()
"""Selects everything."""
