"""The dbt test equals_expected of a model or seed, as far as `angiogram` uses it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import jinja2
from jinja2 import nodes

from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.manifest.expectation import ENTRIES, META, Expectation
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX

NAME = "equals_expected"

_ARGUMENTS = ("key", "only", "exclude", "precision", "types", "column_order")
"""Those that follow the model and its expected seed, in order."""

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
        arguments: how its rows are compared, by the names of class Expectation.
        leniency: when dbt tolerates differences; None: never.
        file: the file that declares it, relative to the project's folder.
    """

    arguments: Mapping[str, Any]
    leniency: Leniency | None
    file: str

    @property
    def place(self) -> str:
        """Return the test in words, for messages."""
        return f"The test {NAME} in {self.file}"

    @classmethod
    def of(cls, test: Any) -> Self:
        """Read the test from dbt's manifest."""
        metadata = getattr(test, "test_metadata", None)
        given = metadata.kwargs if metadata else _written(test)
        arguments = {name: given[name] for name in ENTRIES if name in given} | {"where": test.config.where or None}
        return cls(arguments, Leniency.of(test.config), test.original_file_path)


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


def expectation_of(node: Any, test: EqualityTest | None, declared: tuple[str, Mapping[str, Any]] | None) -> Expectation:
    """Return how a node is compared: as its test says, or angiogram.yml, and then its meta.

    Args:
        node: of dbt's manifest.
        test: its test equals_expected. None: it has none.
        declared: the place in angiogram.yml that says how it is compared, and what. None: there is none.

    Raises:
        UnsupportedProject: something of it cannot be, or angiogram.yml says what dbt's test does not know.
    """
    if test and declared:
        raise UnsupportedProject(
            f"{declared[0]}: {node.search_name} has a test equals_expected, in {test.file}, which dbt runs as well and "
            "which knows nothing of angiogram.yml. Say it there, or in meta.equals_expected of the model."
        )
    said = [(test.place, test.arguments)] if test else [declared] if declared else []
    of_meta = (node.config.meta or {}).get(META)
    if of_meta is not None and not isinstance(of_meta, Mapping):
        raise UnsupportedProject(f"meta.{META} of {node.search_name} must be a mapping, as {{exclude: [note]}}.")
    return Expectation.read(*said, (f"meta.{META} of {node.search_name}", of_meta or {}))


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


def _written(test: Any) -> Mapping[str, Any]:
    """The arguments of a test in a file of its own, where it calls the macro.

    Raises:
        UnsupportedProject: they are worked out by Jinja, so that only dbt knows them.
    """
    try:
        tree = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.do"]).parse(test.raw_code)
    except jinja2.TemplateSyntaxError:  # a tag of dbt's own
        return {name: value for name, value in test.config.meta.items() if name in ENTRIES}
    for call in tree.find_all(nodes.Call):
        if getattr(call.node, "attr", getattr(call.node, "name", None)) != f"test_{NAME}":
            continue
        named = [*zip(_ARGUMENTS, call.args[2:], strict=False), *((one.key, one.value) for one in call.kwargs)]
        try:
            return {name: value.as_const() for name, value in named if name in ENTRIES}
        except nodes.Impossible as error:
            raise UnsupportedProject(
                f"{test.original_file_path} works out an argument of test_{NAME} by Jinja. Write it as it is, so that "
                "angiogram knows it too."
            ) from error
    return {}
