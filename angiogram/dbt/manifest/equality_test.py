"""The dbt test equals_expected of a model or seed, as far as `angiogram` uses it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX

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
        file: the file that declares it, relative to the project's folder.
    """

    key: list[str]
    where: str | None
    leniency: Leniency | None
    file: str

    @classmethod
    def of(cls, test: Any) -> Self:
        """Read the test from dbt's manifest."""
        metadata = getattr(test, "test_metadata", None)
        arguments = metadata.kwargs if metadata else test.config.meta
        leniency = Leniency.of(test.config)
        return cls(key_columns(arguments), test.config.where or None, leniency, test.original_file_path)


def equality_tests(manifest: Any) -> dict[str, EqualityTest]:
    """Return the enabled tests equals_expected by dbt's ID of the node that they test.

    Raises:
        UnsupportedProject: a model or seed has two such tests, of which only one could be used.
    """
    found: dict[str, EqualityTest] = {}
    for node in manifest.nodes.values():
        if node.resource_type != "test" or (tested := _tested(node)) is None:
            continue
        if tested in found:
            raise UnsupportedProject(
                f"{tested.split('.', 2)[-1]} has more than one test {NAME}, the last in "
                f"{node.original_file_path}. Keep one: its key and `where` define which rows are compared, and how."
            )
        found[tested] = EqualityTest.of(node)
    return found


def _tested(test: Any) -> str | None:
    """The ID of the node that a test equals_expected is about. None for any other test.

    A test in a file of its own calls the macro with the model and its expected seed.
    """
    if (metadata := getattr(test, "test_metadata", None)) is not None:
        return str(test.attached_node) if metadata.name == NAME else None
    if not any(macro.endswith(f".test_{NAME}") for macro in test.depends_on.macros):
        return None
    read = [i for i in test.depends_on.nodes if not i.rpartition(".")[2].startswith(EXPECTED_PREFIX)]
    return str(read[0]) if len(read) == 1 else None


def key_columns(arguments: Mapping[str, Any]) -> list[str]:
    """Return the key columns of a test equals_expected, given as a list or as one name."""
    key = arguments.get("key") or []
    return [key] if isinstance(key, str) else list(key)
