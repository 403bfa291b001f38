"""Run a command line so that every error gets a message and an exit code.

Used by `ingestion` and `angiogram`. A command's module is imported when the command is called, so that --help answers
at once and a command needs only the packages that it uses itself.
"""

import ast
import getpass
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from ingestion.addresses import without_user_info
from ingestion.extras import missing

_UNFORESEEN = 2  # could not run; 1 has a meaning of its own in each program


def run(app: Callable[[], object], program: str, exit_code_of: Callable[[Exception], int | None]) -> None:
    """Run a command line and exit; an error is printed as a message with an exit code.

    An unforeseen error is printed with its traceback too.

    Args:
        app: the command line.
        program: the program's name.
        exit_code_of: the exit code of an error; None if the program does not know it.
    """
    talk = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()
    except Exception as raised:
        error = missing(raised) or raised
        exit_code, said = exit_code_of(error), str(error)
        if exit_code is None and (meaning := _of_the_database(error)):
            exit_code, said = _UNFORESEEN, meaning
        if exit_code is None:
            talk.print(without_user_info(traceback.format_exc().rstrip()), markup=False)
            name = type(error).__name__
            talk.print(f"{name} is an unexpected error in {program}. Please report it with the lines above.")
            raise SystemExit(_UNFORESEEN) from raised
        talk.print(f"[red]{type(error).__name__}[/red]: ", end="")
        talk.print(without_user_info(said), markup=False)
        raise SystemExit(exit_code) from raised


class LazyCommands(TyperGroup):
    """Lists its commands without importing them, and imports one when it is called.

    Attributes:
        places: by heading, then by name: where each command is, as `package.module:function`. A function that is a
            typer.Typer is a group of commands.
    """

    places: Mapping[str | None, Mapping[str, str]]

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # click's is typer's own copy
        """List the names in the order of the places, then those that were added otherwise."""
        return [*(name for name, _, _ in self._all()), *self.commands]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return what --help shows of a command."""
        for name, heading, place in self._all():
            if name == cmd_name:
                return TyperCommand(name, help=_first_paragraph(place), rich_help_panel=heading)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """Import the command that is called."""
        name, found, rest = super().resolve_command(ctx, args)
        place = next((place for listed, _, place in self._all() if found and listed == found.name), None)
        return name, imported_command(str(name), place) if place else found, rest

    def _all(self) -> Iterator[tuple[str, str | None, str]]:
        for heading, commands in self.places.items():
            for name, place in commands.items():
                yield name, heading, place


def lazy(places: Mapping[str | None, Mapping[str, str]]) -> type[LazyCommands]:
    """Return a class for `typer.Typer(cls=...)` with these commands, see `LazyCommands`."""
    return type("Commands", (LazyCommands,), {"places": places})


def imported_command(name: str, place: str) -> Any:
    """Import a command and return it."""
    module, _, function = place.partition(":")
    found = getattr(import_module(module), function)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


def _first_paragraph(place: str) -> str:
    """Return the first paragraph of a command's help.

    It is read from the source, because an import would take more than a second.
    """
    module, _, function = place.partition(":")
    tree = _source(module)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return _line(ast.get_docstring(node))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):  # a group: app = typer.Typer(help=...)
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            helps = [word.value for word in node.value.keywords if word.arg == "help"]
            if function in names and helps and isinstance(helps[0], ast.Constant):
                return _line(str(helps[0].value))
    return _line(ast.get_docstring(tree))


def _line(text: str | None) -> str:
    return (text or "").partition("\n\n")[0].replace("\n", " ")


@cache
def _source(module: str) -> ast.Module:
    """Return the source of a module. Only its outermost package is imported."""
    package, *path = module.split(".")
    return ast.parse(files(package).joinpath(f"{'/'.join(path)}.py").read_text(encoding="utf-8"))


def _of_the_database(error: Exception) -> str | None:
    """The message for a PostgreSQL error that any command may meet; None for other errors."""
    import psycopg2  # already imported if such an error was raised

    from ingestion.database.errors import sentence

    return sentence(error) if isinstance(error, psycopg2.Error) else None


def who() -> str:
    """The current user, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return str(os.getuid())
