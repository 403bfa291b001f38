"""The dbt test equals_expected of a model or seed, as far as `angiogram` uses it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from angiogram.core.errors import UnsupportedProject

NAME = "equals_expected"

_DEFAULTS = {"limit": None, "error_if": "!= 0", "fail_calc": "count(*)"}


@dataclass(frozen=True, slots=True)
class Leniency:
    """A test configuration by which dbt passes or only warns although rows differ.

    Attributes:
        severity: error or warn.
        limit: maximum number of differences counted; None: all.
        error_if: which count fails, as the SQL that follows the count.
        fail_calc: how differences are counted, as SQL.
    """

    severity: str
    limit: int | None
    error_if: str
    fail_calc: str

    @classmethod
    def of(cls, config: Any) -> Self | None:
        """Read the leniency of a test's configuration, or None if every difference fails the test."""
        found = cls(str(config.severity).lower(), config.limit, config.error_if, config.fail_calc)
        return found if str(found) else None

    def __str__(self) -> str:
        """Return the settings that differ from dbt's defaults, as in a configuration."""
        settings = {name: getattr(self, name) for name in _DEFAULTS}
        odd = {name: setting for name, setting in settings.items() if setting != _DEFAULTS[name]}
        if self.severity != "error":
            odd = {"severity": self.severity}
        return ", ".join(f"{name}: {setting}" for name, setting in odd.items())


@dataclass(frozen=True, slots=True)
class EqualityTest:
    """The test of one model or seed.

    Attributes:
        key: the columns that identify its rows.
        where: which of its rows are compared, as SQL; None: all.
        leniency: when dbt tolerates differences; None: never.
    """

    key: list[str]
    where: str | None
    leniency: Leniency | None

    @classmethod
    def of(cls, test: Any) -> Self:
        """Read the test from dbt's manifest."""
        return cls(key_columns(test.test_metadata.kwargs), test.config.where or None, Leniency.of(test.config))


def equality_tests(manifest: Any) -> dict[str, EqualityTest]:
    """Return the enabled tests equals_expected by dbt's ID of the node that they test.

    Raises:
        UnsupportedProject: a model or seed has two such tests, of which only one could be used.
    """
    found: dict[str, EqualityTest] = {}
    for node in manifest.nodes.values():
        metadata = getattr(node, "test_metadata", None)
        if node.resource_type != "test" or metadata is None or metadata.name != NAME:
            continue
        if node.attached_node in found:
            raise UnsupportedProject(
                f"{node.attached_node.split('.', 2)[-1]} has more than one test {NAME}, the last in "
                f"{node.original_file_path}. Keep one: its key and `where` define which rows are compared, and how."
            )
        found[node.attached_node] = EqualityTest.of(node)
    return found


def key_columns(arguments: Mapping[str, Any]) -> list[str]:
    """Return the key columns of a test equals_expected, given as a list or as one name."""
    key = arguments.get("key") or []
    return [key] if isinstance(key, str) else list(key)
