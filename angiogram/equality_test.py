"""The dbt test equals_expected of a model or seed, as far as `angiogram` heeds it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

NAME = "equals_expected"


@dataclass(frozen=True, slots=True)
class EqualityTest:
    """What the test of one model or seed says.

    Attributes:
        key: the columns that tell its rows apart.
        where: which of its rows are compared, as SQL; None: all.
    """

    key: list[str]
    where: str | None

    @classmethod
    def of(cls, test: Any) -> Self:
        """From the test as dbt's manifest has it."""
        return cls(key=key_columns(test.test_metadata.kwargs), where=test.config.where or None)


def equality_tests(manifest: Any) -> dict[str, EqualityTest]:
    """The tests equals_expected by dbt's id of what they test; those that are disabled are not among them."""
    tests = (node for node in manifest.nodes.values() if node.resource_type == "test")
    return {
        test.attached_node: EqualityTest.of(test)
        for test in tests
        if (metadata := getattr(test, "test_metadata", None)) and metadata.name == NAME
    }


def key_columns(arguments: Mapping[str, Any]) -> list[str]:
    """The columns that a test equals_expected names as its key: a list, or one alone."""
    key = arguments.get("key") or []
    return [key] if isinstance(key, str) else list(key)
