"""The command `ingestion`: everything before dbt.

Data goes to stdout, messages to stderr. Exit codes: 0 ok, 1 messages lost, 2 could not run, 130 interrupted.
"""

from typing import Any

import typer
from rich.console import Console

from ingestion import migrations
from ingestion.bulk import files_cli
from ingestion.bulk.cli import bulk_load_command
from ingestion.command_line import run
from ingestion.database import roles
from ingestion.dead_letters import cli as dead_letters_cli
from ingestion.dead_letters import unverified_dye_cli
from ingestion.errors import IngestionError
from ingestion.front_door import cli as front_door_cli
from ingestion.loader.cli import load
from ingestion.settings import pipeline
from ingestion.topic import admin as topic
from ingestion.upkeep import offsets_cli
from ingestion.upkeep.retention import retention
from ingestion.upkeep.retired_topics import retire_topic

_OPTIONS: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_show_locals": False,
    "help": __doc__,
}

app = typer.Typer(**_OPTIONS)
talk = Console(stderr=True, highlight=False, soft_wrap=True)

# Commands defined in other modules are registered here.
app.command()(front_door_cli.api)
app.command()(load)
app.command("bulk-load")(bulk_load_command)
app.command()(retention)
app.command("retire-topic")(retire_topic)
app.add_typer(files_cli.app, name="files")
app.add_typer(dead_letters_cli.app, name="dead-letters")
app.add_typer(unverified_dye_cli.app, name="unverified-dye")
app.add_typer(offsets_cli.app, name="offsets")


@app.command()
def bootstrap() -> None:
    """Create the database roles, databases and dbt's schemas (needs PG_ADMIN_USER)."""
    roles.bootstrap()
    talk.print("Roles, databases and schemas are there.")


@app.command()
def migrate() -> None:
    """Apply missing migrations to the raw schemas. Prints those applied, one a line."""
    applied = migrations.migrate()
    for title in applied:
        typer.echo(title)
    if not applied:
        talk.print("The raw schemas are up to date.")


@app.command("topic")
def make_topic() -> None:
    """Create the topic if it does not exist. Prints its id."""
    made = topic.ensure_topic()
    talk.print("The topic is made." if made else "The topic is there.")
    typer.echo(topic.topic_id())


def all_commands() -> typer.Typer:
    """The commands of `ingestion`, and those that the pipeline's contract adds.

    Raises:
        ContractUnusable: the contract cannot be used.
    """
    whole = typer.Typer(**_OPTIONS)
    whole.add_typer(app)
    if added := pipeline.commands():
        whole.add_typer(added)
    return whole


def main() -> None:
    """Run the command line. An IngestionError sets its own exit code, any other error sets 2."""
    run(
        lambda: all_commands()(),
        "ingestion",
        lambda error: error.exit_code if isinstance(error, IngestionError) else None,
    )
