"""What differs between the versions of dbt-core that angiogram runs as a library."""

from collections.abc import Iterable
from typing import Any


def names_of(variables: Iterable[Any]) -> set[str]:
    """Return the names of the environment variables that dbt lists, in both spellings.

    Up to 1.10 dbt lists texts, from 1.11 on objects with both spellings.
    """
    found = set()
    for known in variables:
        if isinstance(known, str):
            names = [known, known.replace("DBT_", "DBT_ENGINE_", 1)]
        else:
            names = [known.name, known.old_name]
        found |= {name for name in names if name}
    return found
