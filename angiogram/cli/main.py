"""The command `angiogram`: is the pipeline right, and if not, where does it go wrong?

Data goes to stdout, talk to stderr. Exit codes: 0 healthy, 1 blocked, 2 could not run, 130 interrupted.

A command's module is imported when the command is called, so that --help answers at once and a command needs only the
packages that it uses itself.
"""

import ast
import logging
import signal
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from angiogram.core.errors import AngiogramError
from angiogram.core.interrupts import interrupt
from ingestion.command_line import run as run_command_line
from ingestion.errors import IngestionError

LOOK, CHANGE, OPERATE, MEASURE = "Run and look", "When a model changes", "Operations", "Measure"


COMMANDS: dict[str, dict[str, str]] = {
    LOOK: {
        "run": "run_cli:run",
        "show": "run_cli:show",
        "differences": "run_cli:differences",
        "runs": "run_cli:list_runs",
        "report": "pages_cli:report",
        "history": "pages_cli:history",
    },
    CHANGE: {
        "accept": "accept_cli:accept",
    },
    OPERATE: {
        "status": "operations_cli:status",
        "doctor": "operations_cli:doctor",
        "live": "live_cli:live",
        "mute": "operations_cli:mute",
        "acknowledge": "operations_cli:acknowledge",
        "unmute": "operations_cli:unmute",
        "hold": "hold_cli:hold",
        "release": "run_cli:release_run",
        "prune": "run_cli:prune",
    },
    MEASURE: {
        "sensitivity": "sensitivity_cli:sensitivity",
        "faults": "faults_cli:faults",
    },
}
"""The commands in the order of --help: under each heading the name of each, and its function as `module:function`."""

_PLACES = {name: place for commands in COMMANDS.values() for name, place in commands.items()}
_GROUP_OF = {name: group for group, commands in COMMANDS.items() for name in commands}


class _Commands(TyperGroup):
    """Lists the commands without importing them, and imports one when it is called."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # click's is typer's own copy
        return list(_PLACES)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        if cmd_name not in _PLACES:
            return None
        return TyperCommand(cmd_name, help=_first_paragraph(cmd_name), rich_help_panel=_GROUP_OF[cmd_name])

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and command(str(found.name)), rest


def command(name: str) -> Any:
    """Import a command and return it."""
    module, _, function = _PLACES[name].partition(":")
    found = getattr(import_module(f"{__package__}.{module}"), function)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


def _first_paragraph(name: str) -> str:
    """Return the first paragraph of a command's help.

    It is read from the source, because an import would take more than a second.
    """
    module, _, function = _PLACES[name].partition(":")
    tree = _source(module)
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    # A group of commands is no function: its module says what it is for.
    return (ast.get_docstring(next(functions, tree)) or "").partition("\n\n")[0].replace("\n", " ")


@cache
def _source(module: str) -> ast.Module:
    """Return the source of one of this package's modules."""
    return ast.parse(files(__package__).joinpath(f"{module}.py").read_text(encoding="utf-8"))


app = typer.Typer(
    cls=_Commands,
    help="Send the dye, test records with known results, through the live pipeline, and compare what every stage makes "
    "of it with what it should make. "
    'Addresses and secrets come from the environment: in the sandbox run eval "$(sandbox env)" first.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


@app.callback()
def _angiogram() -> None:
    pass


def main() -> None:
    """Run the command line. Any error becomes its message and exit code 2."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its errors are raised, and reported once, below
    signal.signal(signal.SIGTERM, interrupt)  # a kill releases the run as Ctrl-C does
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    run_command_line(app, "angiogram", lambda error: 2 if isinstance(error, AngiogramError | IngestionError) else None)
