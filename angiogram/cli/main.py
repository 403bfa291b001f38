"""The command `angiogram`: is the pipeline right, and if not, where does it go wrong?

Data goes to stdout, talk to stderr. Exit codes: 0 healthy, 1 blocked, 2 could not run, 130 interrupted.
"""

import logging
import signal

import typer

from angiogram.core.errors import AngiogramError
from angiogram.core.interrupts import interrupt
from ingestion.command_line import lazy
from ingestion.command_line import run as run_command_line
from ingestion.errors import IngestionError

LOOK, CHANGE, OPERATE, MEASURE = "Run and look", "When a model changes", "Operations", "Measure"

COMMANDS: dict[str | None, dict[str, str]] = {
    LOOK: {
        "run": "angiogram.cli.run_cli:run",
        "show": "angiogram.cli.run_cli:show",
        "differences": "angiogram.cli.run_cli:differences",
        "runs": "angiogram.cli.run_cli:list_runs",
        "report": "angiogram.cli.pages_cli:report",
        "history": "angiogram.cli.pages_cli:history",
    },
    CHANGE: {
        "init": "angiogram.cli.init_cli:init",
        "accept": "angiogram.cli.accept_cli:accept",
        "coverage": "angiogram.cli.coverage_cli:coverage",
    },
    OPERATE: {
        "status": "angiogram.cli.operations_cli:status",
        "doctor": "angiogram.cli.operations_cli:doctor",
        "settings": "angiogram.cli.operations_cli:settings",
        "live": "angiogram.cli.live_cli:live",
        "mute": "angiogram.cli.operations_cli:mute",
        "acknowledge": "angiogram.cli.operations_cli:acknowledge",
        "unmute": "angiogram.cli.operations_cli:unmute",
        "hold": "angiogram.cli.operations_cli:hold",
        "release": "angiogram.cli.run_cli:release_run",
        "prune": "angiogram.cli.run_cli:prune",
    },
    MEASURE: {
        "sensitivity": "angiogram.cli.sensitivity_cli:sensitivity",
        "conditions": "angiogram.cli.sensitivity_cli:conditions",
        "faults": "angiogram.cli.faults_cli:faults",
    },
}
"""The commands in the order of --help: under each heading the name of each, and its function as `module:function`."""

app = typer.Typer(
    cls=lazy(COMMANDS),
    help="Send the dye, test records with known results, through the live pipeline, and compare what every stage makes "
    "of it with what it should make. "
    'Addresses and secrets come from the environment: in the sandbox run eval "$(sandbox env)" first.',
    no_args_is_help=True,
    add_completion=True,
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
