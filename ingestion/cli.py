"""The command `ingestion`: everything before dbt.

Data goes to stdout, talk to stderr. Exit codes: 0 ok, 1 lost, 2 could not run, 130 interrupted.
"""

import typer
from rich.console import Console

from ingestion import dead_letters_cli, front_door_cli, migrations, offsets_cli, roles, topic, unverified_dye_cli
from ingestion.bulk import files_cli
from ingestion.bulk.cli import bulk_load_command
from ingestion.command_line import run
from ingestion.errors import IngestionError
from ingestion.loader.cli import load
from ingestion.retention import retention
from ingestion.retired_topics import retire_topic

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False, help=__doc__)
talk = Console(stderr=True, highlight=False, soft_wrap=True)

# Commands of other modules are registered here.
app.command()(front_door_cli.api)
app.command()(front_door_cli.generate)
app.command()(front_door_cli.replay)
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
    """Make the database roles, the databases and the schemas that dbt writes (needs PG_ADMIN_USER)."""
    roles.bootstrap()
    talk.print("Roles, databases and schemas are there.")


@app.command()
def migrate() -> None:
    """Bring the raw schemas up to date; prints the migrations applied, one a line."""
    applied = migrations.migrate()
    for title in applied:
        typer.echo(title)
    if not applied:
        talk.print("The raw schemas are up to date.")


@app.command("topic")
def make_topic() -> None:
    """Make the topic of the rides if it is absent; prints its id."""
    made = topic.ensure_topic()
    talk.print("The topic is made." if made else "The topic is there.")
    typer.echo(topic.topic_id())


def main() -> None:
    """Run the command line; an IngestionError has its own exit code, and every other one 2."""
    run(app, "ingestion", lambda error: error.exit_code if isinstance(error, IngestionError) else None)
