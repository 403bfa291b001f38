"""The command `sandbox`.

Data goes to stdout, talk to stderr. Exit codes: 0 done, or all up; 1 not all up; 2 error.
"""

import json
import logging
import shlex
import signal
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from ingestion.errors import IngestionError
from sandbox.airflow import cli as airflow_cli
from sandbox.airflow.airflow import Airflow
from sandbox.errors import SandboxError
from sandbox.services import Sandbox, ServiceStatus

app = typer.Typer(
    help="Real PostgreSQL and Kafka on this machine, without containers. SANDBOX_DIR says where (else .sandbox).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(airflow_cli.app, name="airflow")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def up() -> None:
    """Start PostgreSQL and Kafka, and create roles, tables and topic.

    Running it again is harmless.
    """
    sandbox = Sandbox()
    try:
        sandbox.up()
    except KeyboardInterrupt:
        print("sandbox: interrupted. The servers that it had started are stopped.", file=sys.stderr)
        raise typer.Exit(130) from None
    for status in sandbox.status():
        print(f"{status.service} is up at {status.address}", file=sys.stderr)
    print('Now: eval "$(sandbox env)"', file=sys.stderr)


@app.command()
def down(delete: Annotated[bool, typer.Option(help="Delete all data and secrets too.")] = False) -> None:
    """Stop all servers, including Airflow. Data is kept unless --delete is given."""
    sandbox = Sandbox()
    Airflow(sandbox).stop()  # it cannot do without what stops next
    sandbox.down(delete=delete)
    print(f"Stopped{' and deleted' if delete else ''}: {sandbox.folder.path}", file=sys.stderr)


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show which servers run. Exit code: 0 all up, 1 not all up."""
    statuses = Sandbox().status()
    print(json.dumps([_json(s) for s in statuses], indent=2) if as_json else _table(statuses))
    raise typer.Exit(0 if all(s.running for s in statuses) else 1)


@app.command()
def env(as_json: JsonOption = False) -> None:
    """Print the sandbox's environment, including passwords, for eval "$(sandbox env)"."""
    environment = Sandbox().environment()
    if as_json:
        print(json.dumps(environment, indent=2))
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items()))


def _json(s: ServiceStatus) -> dict[str, object]:
    return asdict(s) | {"since": s.since.isoformat() if s.since else None}


def _table(statuses: list[ServiceStatus]) -> str:
    rows = [("service", "running", "pid", "address", "since")]
    for s in statuses:
        since = s.since.isoformat(timespec="seconds") if s.since else "-"
        rows.append((s.service, "yes" if s.running else "no", str(s.pid or "-"), s.address or "-", since))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def main() -> None:
    """Run the command line: the only place where errors become messages and exit codes."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("sandbox").setLevel(logging.INFO)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its errors are raised, and reported once, below
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a kill cleans up as Ctrl-C does
    try:
        app()
    except (SandboxError, IngestionError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
