"""The command that prints what is set: settings."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from angiogram.cli.options import AsJson
from angiogram.dbt.project_file import project_directory
from angiogram.operate.settings_in_force import json_schema, settings_in_force


def settings(
    as_json: AsJson = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of angiogram.yml instead, for editors.")
    ] = False,
) -> None:
    """Print the settings in force and where each comes from.

    That is a file and line, the environment, the contract or a default.
    Secrets are not shown, and addresses are shown without user and password.

    Exit code: 0; 2 if angiogram.yml or the contract it names cannot be used.
    """
    if as_json and schema:
        raise typer.BadParameter("--json and --schema exclude each other.")
    if schema:
        typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    project = project_directory()
    found = settings_in_force(project)
    if as_json:
        told = {group: [asdict(setting) for setting in listed] for group, listed in found.items()}
        typer.echo(json.dumps({"project": str(project), **told}, indent=2, ensure_ascii=False, default=str))
        return
    console = Console(highlight=False, markup=False)
    console.print(f"Project: {project}\n", soft_wrap=True)
    for group, listed in found.items():
        table = Table(group, Column("value", overflow="fold"), Column("comes from", overflow="fold"), box=None)
        for setting in listed:
            table.add_row(setting.name, _shown(setting.value), setting.origin)
        console.print(table)
        console.print()


def _shown(value: Any) -> str:
    """A value as it would be written in the file."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
