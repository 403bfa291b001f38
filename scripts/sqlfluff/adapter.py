"""Stands in for dbt's `adapter` in sqlfluff.

It chooses the form of a macro for the engine that is linted.
"""

from collections.abc import Callable

import jinja2
from jinja2.runtime import Context


@jinja2.pass_context
def dispatch(context: Context, name: str, package: str) -> Callable[..., str]:
    """Return the form of a macro for the engine that .sqlfluff or .sqlfluff-duckdb names."""
    form: Callable[..., str] = context.resolve(f"{context.resolve('engine')}__{name}")
    return form
