"""The command `ingestion`: everything before dbt.

Data goes to stdout, messages to stderr. Exit codes: 0 ok, 1 messages lost, 2 could not run, 130 interrupted.
"""

import typer
from rich.console import Console

from ingestion.command_line import lazy, run
from ingestion.errors import IngestionError

GROUPS: dict[str | None, dict[str, str]] = {
    None: {
        "bootstrap": "ingestion.cli:bootstrap",
        "migrate": "ingestion.cli:migrate",
        "topic": "ingestion.cli:make_topic",
        "dye-key": "ingestion.cli:dye_key",
        "api": "ingestion.front_door.cli:api",
        "load": "ingestion.loader.cli:load",
        "bulk-load": "ingestion.bulk.cli:bulk_load_command",
        "retention": "ingestion.upkeep.retention:retention",
        "retire-topic": "ingestion.upkeep.retired_topics:retire_topic",
        "files": "ingestion.bulk.files_cli:app",
        "dead-letters": "ingestion.dead_letters.cli:app",
        "unverified-dye": "ingestion.dead_letters.unverified_dye_cli:app",
        "offsets": "ingestion.upkeep.offsets_cli:app",
    }
}
"""The commands in the order of --help: the name of each, and its function as `module:function`."""

talk = Console(stderr=True, highlight=False, soft_wrap=True)


def _new_app() -> typer.Typer:
    made = typer.Typer(
        cls=lazy(GROUPS),
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_show_locals=False,
        help=__doc__,
    )
    made.callback()(lambda: None)  # typer requires one where it sees no command
    return made


app = _new_app()


def bootstrap() -> None:
    """Create the database roles, databases and dbt's schemas (needs PG_ADMIN_USER)."""
    from ingestion.database import roles

    roles.bootstrap()
    talk.print("Roles, databases and schemas are in place.")


def migrate() -> None:
    """Apply missing migrations to the raw schemas. Prints those applied, one a line."""
    from ingestion import migrations

    applied = migrations.migrate()
    for title in applied:
        typer.echo(title)
    if not applied:
        talk.print("The raw schemas are up to date.")


def make_topic() -> None:
    """Create the topic if it does not exist. Prints its id."""
    from ingestion.topic import admin

    made = admin.ensure_topic()
    talk.print("The topic was created." if made else "The topic exists.")
    typer.echo(admin.topic_id())


def dye_key() -> None:
    """Print the fingerprint of DYE_KEY, which does not reveal the key.

    The dye is a set of test records with known results. Databases that share a topic need the same key.
    """
    from ingestion.settings import DyeKeys

    typer.echo(DyeKeys.from_environment().fingerprint)


def all_commands() -> typer.Typer:
    """The commands of `ingestion`, and those that the pipeline's contract adds.

    Raises:
        ContractUnusable: the contract cannot be used.
    """
    from ingestion.settings import pipeline

    whole = _new_app()
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
