"""The environment of this process. Nothing else in the project touches os.environ."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


def environment() -> dict[str, str]:
    """A copy of all variables, to start another program with."""
    return dict(os.environ)


def checked_text(value: str) -> str:
    """Return a variable's text; raise ValueError if its bytes are not UTF-8.

    Python represents such bytes as lone surrogates.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    return value


def is_set(name: str) -> bool:
    """Whether a variable is set and not empty."""
    return bool(os.environ.get(name))


def variable(name: str) -> str | None:
    """A variable's text; None if it is not set or empty.

    Raises:
        ValueError: its bytes are not UTF-8.
    """
    return checked_text(value) if (value := os.environ.get(name)) else None


@contextmanager
def changed(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables for the duration of the block; None unsets one.

    For code that reads the environment itself and takes no argument instead, as dbt and its profiles do.
    tests/test_environment.py lists who may call it.
    """
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
