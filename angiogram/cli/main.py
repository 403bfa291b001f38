"""The command `angiogram`: is the pipeline right this morning, and if not, where did it go wrong?

Data goes to stdout, talk to stderr. Exit codes: 0 healthy, 1 blocked, 2 could not run, 130 interrupted.
"""

import logging
import signal
from collections.abc import Callable

import typer

from angiogram.cli import live_cli, operations_cli, pages_cli, run_cli
from angiogram.cli.accept_cli import accept
from angiogram.cli.faults_cli import faults
from angiogram.cli.sensitivity_cli import sensitivity
from angiogram.core.errors import AngiogramError
from angiogram.run.passage import interrupt
from ingestion.command_line import run as run_command_line
from ingestion.errors import IngestionError

LOOK, CHANGE, OPERATE, MEASURE = "Run and look", "When a model changes", "Operations", "Measure"

_GROUPS: dict[str, dict[str, Callable[..., None]]] = {
    LOOK: {
        "run": run_cli.run,
        "show": run_cli.show,
        "differences": run_cli.differences,
        "runs": run_cli.list_runs,
        "report": pages_cli.report,
        "history": pages_cli.history,
    },
    CHANGE: {"accept": accept},
    OPERATE: {
        "status": operations_cli.status,
        "doctor": operations_cli.doctor,
        "live": live_cli.live,
        "mute": operations_cli.mute,
        "acknowledge": operations_cli.acknowledge,
        "unmute": operations_cli.unmute,
        "release": run_cli.release_run,
        "prune": run_cli.prune,
    },
    MEASURE: {"sensitivity": sensitivity, "faults": faults},
}
"""The commands in the order of --help."""

app = typer.Typer(
    help="Send the dye through the live pipeline and compare what every stage makes of it with what it should make. "
    'Addresses and secrets come from the environment: in the sandbox run eval "$(sandbox env)" first.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
for group, commands in _GROUPS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=group)(command)
app.add_typer(live_cli.hold, rich_help_panel=OPERATE)


def main() -> None:
    """Run the command line; an error becomes its message and exit code 2, whether the project knows it or not."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its errors are raised, and told once, below
    signal.signal(signal.SIGTERM, interrupt)  # a kill releases the run as Ctrl-C does
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    run_command_line(app, "angiogram", lambda error: 2 if isinstance(error, AngiogramError | IngestionError) else None)
