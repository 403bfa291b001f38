"""Renders macros of the package with plain Jinja: the command and dbt run the same SQL."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jinja2

from angiogram.dbt.package.installing import PACKAGE, carried

_RENDERED = (
    *("differences", "postgres__differences", "default__differences", "portable_differences", "json_text"),
    *("json_object_text", "quoted_name", "dye_schemas", "declared_key"),
)
"""The files that are rendered here: their macros use nothing of dbt but `adapter`."""

ColumnsOf = Callable[[Any], Sequence[Any]]
"""Returns the columns of a relation, each with a name and a data_type, in order."""


def macro(name: str, adapter_type: str = "postgres", columns: ColumnsOf | None = None) -> Callable[..., str]:
    """Return a macro as a function that returns SQL.

    Args:
        name: of a macro that is rendered here.
        adapter_type: dbt's name of the engine for which SQL is wanted.
        columns: returns the columns of a relation, for engines whose SQL lists them.
    """
    adapter = _Adapter(adapter_type, columns)
    context = {"adapter": adapter}
    adapter.macros = _template().make_module(context | {PACKAGE: adapter})
    return lambda *arguments, **named: str(getattr(adapter, name)(*arguments, **named))


class _Adapter:
    """What macros ask of dbt's adapter."""

    def __init__(self, adapter_type: str, columns: ColumnsOf | None) -> None:
        self._type = adapter_type
        self._columns = columns
        self.macros: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return a macro of the package, as macros call each other by its name."""
        return getattr(self.macros, name)

    def dispatch(self, name: str, _package: str) -> Any:
        """Return the engine's form of a macro, or else the one in plain SQL."""
        own = getattr(self.macros, f"{self._type}__{name}", None)
        return own or getattr(self.macros, f"default__{name}")

    def get_columns_in_relation(self, relation: Any) -> Sequence[Any]:
        """Return the columns of a relation.

        Raises:
            TypeError: nobody said how to ask for them.
        """
        if self._columns is None:
            raise TypeError(f"The comparison on {self._type} needs the columns of {relation}.")
        return self._columns(relation)

    def quote(self, name: str) -> str:
        """Quote an identifier as SQL does."""
        return '"' + name.replace('"', '""') + '"'


@cache
def _template() -> jinja2.Template:
    """One template of the files that hold these macros, in whatever order: each only defines."""
    texts = [(carried() / "macros" / f"{name}.sql").read_text(encoding="utf-8") for name in _RENDERED]
    # SQL, not HTML: nothing to escape. `tojson` escapes the single quotes of what is asked.
    return jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined).from_string("".join(texts))  # noqa: S701
