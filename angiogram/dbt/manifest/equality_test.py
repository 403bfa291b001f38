"""The dbt test equals_expected of a model or seed, as far as `angiogram` heeds it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from angiogram.core.errors import UnsupportedProject

NAME = "equals_expected"

_DEFAULTS = {"limit": None, "error_if": "!= 0", "fail_calc": "count(*)"}


@dataclass(frozen=True, slots=True)
class Leniency:
    """A configuration by which dbt lets a test pass, or only warns, although it finds differences.

    Attributes:
        severity: error or warn.
        limit: how many differences are counted at most; None: all.
        error_if: which count fails, as SQL that follows it.
        fail_calc: how differences are counted, as SQL.
    """

    severity: str
    limit: int | None
    error_if: str
    fail_calc: str

    @classmethod
    def of(cls, config: Any) -> Self | None:
        """From a test's configuration; None if every difference fails it."""
        found = cls(str(config.severity).lower(), config.limit, config.error_if, config.fail_calc)
        return found if str(found) else None

    def __str__(self) -> str:
        """What differs from dbt's defaults, as a configuration has it."""
        settings = {name: getattr(self, name) for name in _DEFAULTS}
        odd = {name: setting for name, setting in settings.items() if setting != _DEFAULTS[name]}
        if self.severity != "error":
            odd = {"severity": self.severity}
        return ", ".join(f"{name}: {setting}" for name, setting in odd.items())


@dataclass(frozen=True, slots=True)
class EqualityTest:
    """What the test of one model or seed says.

    Attributes:
        key: the columns that tell its rows apart.
        where: which of its rows are compared, as SQL; None: all.
        leniency: when dbt tolerates differences; None: never.
    """

    key: list[str]
    where: str | None
    leniency: Leniency | None

    @classmethod
    def of(cls, test: Any) -> Self:
        """From the test as dbt's manifest has it."""
        return cls(key_columns(test.test_metadata.kwargs), test.config.where or None, Leniency.of(test.config))


def equality_tests(manifest: Any) -> dict[str, EqualityTest]:
    """The tests equals_expected by dbt's id of what they test; those that are disabled are not among them.

    Raises:
        UnsupportedProject: a model or seed has two, of which only one could be heeded.
    """
    found: dict[str, EqualityTest] = {}
    for node in manifest.nodes.values():
        metadata = getattr(node, "test_metadata", None)
        if node.resource_type != "test" or metadata is None or metadata.name != NAME:
            continue
        if node.attached_node in found:
            raise UnsupportedProject(
                f"{node.attached_node.split('.', 2)[-1]} has more than one test {NAME}, the last in "
                f"{node.original_file_path}. Leave one: its key and `where` say which rows are compared, and how."
            )
        found[node.attached_node] = EqualityTest.of(node)
    return found


def key_columns(arguments: Mapping[str, Any]) -> list[str]:
    """The columns that a test equals_expected names as its key: a list, or one alone."""
    key = arguments.get("key") or []
    return [key] if isinstance(key, str) else list(key)
