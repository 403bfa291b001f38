"""How quickly dbt projects come under the dye: `python -m benchmarks.adoption PROJECT...`.

A PROJECT is NAME@COMMIT=FOLDER. Each is copied, built under its live target, adopted with `angiogram init`, and judged
with what its models return as recorded expectations. A project without a default target on PostgreSQL or DuckDB gets
one for the sandbox's PostgreSQL. Packages must be in its dbt_packages where `dbt deps` cannot fetch them. Writes
docs/adoption.md. Exit code 1 if a live table changed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import psycopg2
import typer
import yaml
from psycopg2 import sql

from benchmarks.first_verdict import steps, table
from benchmarks.servers import servers
from sandbox.services import Sandbox

PAGE = Path(__file__).parents[1] / "docs" / "adoption.md"
_GIVEN = re.compile(r"(?P<name>[^@=]+)@(?P<commit>[0-9a-z.]+)=(?P<folder>.+)")
_COUNT = re.compile(r"^(\d+) of (\d+) models watched", re.MULTILINE)
_REFUSED = re.compile(r"^(?:(?:not watched|left out): )?((?<=: ).+|model \S+ reads the clock \(.+?\))", re.MULTILINE)
_HEADS = (
    *("project", "commit", "adapter", "models", "watched", "with rows", "empty", "init", "run"),
    *("first verdict", "live tables"),
)
_PROFILE = """
{profile}:
  target: live
  outputs:
    live:
      type: postgres
      host: "{{{{ env_var('PGHOST') }}}}"
      port: "{{{{ env_var('PGPORT') | as_number }}}}"
      dbname: "{{{{ env_var('PGDATABASE') }}}}"
      threads: 2
      schema: live
      user: angiogram
      password: "{{{{ env_var('DBT_ENV_SECRET_ANGIOGRAM_PASSWORD') }}}}"
"""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What came of one project.

    Attributes:
        name, commit: where it comes from.
        adapter: of its live target.
        models: how many it has.
        watched: how many are compared.
        with_rows: how many of these return rows.
        init_seconds, verdict_seconds: time of init, and of the first verdict with recorded expectations.
        verdict: the verdict, or why there is none.
        refused: what init left out, and why.
        is_live_unchanged: whether every live table has the rows that it had.
    """

    name: str
    commit: str
    adapter: str
    models: int
    watched: int
    with_rows: int
    init_seconds: float
    verdict_seconds: float
    verdict: str
    refused: list[str]
    is_live_unchanged: bool


def adopt(name: str, commit: str, folder: Path, home: Path) -> Adopted:
    """Copy a project and put it under the dye.

    Args:
        name, commit: where it comes from.
        folder: its checkout, which stays as it is.
        home: where the copy goes.
    """
    copy = home / re.sub(r"\W", "_", name)
    shutil.copytree(folder, copy, symlinks=False, ignore=shutil.ignore_patterns(".git", "target", "logs"))
    settings = yaml.safe_load((copy / "dbt_project.yml").read_text(encoding="utf-8"))
    adapter = _adapter(copy / "profiles.yml", settings["profile"])
    environment = {**os.environ, **_for_profiles(), "DBT_PROJECT_DIR": str(copy), "DBT_PROFILES_DIR": str(copy)}

    def call(program: str, *arguments: str) -> tuple[float, subprocess.CompletedProcess[str]]:
        began = time.monotonic()
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        done = subprocess.run(command, cwd=copy, env=environment, check=False, capture_output=True, text=True)  # noqa: S603
        return time.monotonic() - began, done

    if not (copy / "dbt_packages").is_dir() and any((copy / file).is_file() for file in ("packages.yml",)):
        call("dbt", "deps")
    call("dbt", "build")  # what fails here fails without the dye as well
    before = _live(copy)
    init_seconds, init = call("angiogram", "init", "--yes")
    count = _COUNT.search(init.stdout)
    if init.returncode or count is None:
        last = (init.stderr.strip() or init.stdout.strip()).splitlines()[-1]
        return Adopted(name, commit, adapter, 0, 0, 0, init_seconds, 0.0, f"init: {last}", [], _live(copy) == before)
    _, accepted = call("angiogram", "accept", "--all", "--yes")
    verdict_seconds, run = call("angiogram", "run", "--from-seeds", "--json")
    report = json.loads(run.stdout) if run.stdout.startswith("{") else {"stages": [], "verdict": run.stderr.strip()}
    return Adopted(
        name,
        commit,
        adapter,
        models=int(count[2]),
        watched=int(count[1]),
        with_rows=sum(_has_rows(stage) for stage in report["stages"]),
        init_seconds=init_seconds,
        verdict_seconds=verdict_seconds,
        verdict=_told(report, accepted),
        refused=_REFUSED.findall(init.stdout),
        is_live_unchanged=_live(copy) == before,
    )


def _adapter(profiles: Path, name: str) -> str:
    """The adapter of the default target, which is PostgreSQL's if it was another."""
    given = yaml.safe_load(profiles.read_text(encoding="utf-8")).get(name, {}) if profiles.is_file() else {}
    output = given.get("outputs", {}).get(given.get("target", "default"), {})
    if output.get("type") not in ("postgres", "duckdb"):
        profiles.write_text(_PROFILE.format(profile=name), encoding="utf-8")
        return "postgres"
    return str(output["type"])


def _for_profiles() -> dict[str, str]:
    """What the profiles of public projects ask the environment for."""
    user, password = "angiogram", os.environ["DBT_ENV_SECRET_ANGIOGRAM_PASSWORD"]
    place = {"HOST": "PGHOST", "PORT": "PGPORT", "DB": "PGDATABASE", "DATABASE": "PGDATABASE"}
    known = {f"POSTGRES_{name}": os.environ[variable] for name, variable in place.items()}
    passwords = dict.fromkeys(("POSTGRES_PASSWORD", "DBT_ENV_SECRET_POSTGRES_PASS"), password)
    return known | passwords | {"POSTGRES_USER": user, "POSTGRES_SCHEMA": "live"}


def _has_rows(stage: dict[str, Any]) -> bool:
    return stage["kind"] in ("model", "snapshot") and bool(stage["rows_out"])


def _told(report: dict[str, Any], accepted: subprocess.CompletedProcess[str]) -> str:
    if accepted.returncode:
        return f"accept: {accepted.stderr.strip().splitlines()[-1]}"
    blocked = ", ".join(stage["name"] for stage in report.get("blockage", []))
    return f"{report['verdict'].replace('_', ' ')}{f' at {blocked}' if blocked else ''}"


def _live(copy: Path) -> dict[str, str]:
    """Checksums of live tables: of PostgreSQL's outside the dye's schemas, of DuckDB's files."""
    found = {str(file): sha256(file.read_bytes()).hexdigest() for file in copy.glob("*.duckdb")}
    session = psycopg2.connect(user=os.environ["PG_ADMIN_USER"], password=os.environ["PG_ADMIN_PASSWORD"])
    with closing(session), session.cursor() as query:
        query.execute(
            "select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
            " where relkind in ('r', 'm') and nspname !~ '^(pg_|information_schema|angiogram)'"
        )
        for names in query.fetchall():
            rows = sql.SQL("select md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {} as t")
            query.execute(rows.format(sql.Identifier(*names)))
            ((found[".".join(names)],),) = query.fetchall()
    return found


def _by_reason(refused: list[str]) -> list[str]:
    """The lines of a list: each reason once, with all that it holds for."""
    reasons: dict[str, list[str]] = {}
    for text in refused:
        what, is_colon, why = text.partition(": ")
        kind, name, *rest = what.split(" ", 2)
        reasons.setdefault(f"{kind}: {why}" if is_colon else f"{kind}: it {rest[0]}", []).append(f"`{name}`")
    return [f"- {reason.partition(': ')[2]}: {', '.join(names)}" for reason, names in reasons.items()]


def page(found: list[Adopted], first: list[str]) -> str:
    """The text of docs/adoption.md: the projects, and the way from an empty folder."""
    lines = [
        "# Public projects under the dye",
        "",
        "<!-- `python -m benchmarks.adoption` writes this page. -->",
        "",
        "The *dye* is a set of test records with known results. Each project below was copied, built under its live",
        "target, put under the dye with `angiogram init --yes`, and judged after `angiogram accept --all` had recorded",
        "what its models return. No line was edited by hand. Seconds are wall time, on two cores",
        "shared with other work.",
        "",
        f"| {' | '.join(_HEADS)} |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for one in found:
        live = "unchanged" if one.is_live_unchanged else "CHANGED"
        lines.append(
            f"| {one.name} | {one.commit} | {one.adapter} | {one.models} | {one.watched} | {one.with_rows} | "
            f"{one.watched - one.with_rows} | {one.init_seconds:.0f} s | {one.verdict_seconds:.0f} s | {one.verdict} | "
            f"{live} |"
        )
    lines += ["", "An empty model returns no row from the dye that the project has: its seeds, or none.", ""]
    lines += [
        "## From an empty folder",
        "",
        "The wheel, a new project on DuckDB, and no service running.",
        "",
        *first,
        "",
    ]
    for one in found:
        if one.refused:
            lines += [f"## What init said of {one.name}", "", *_by_reason(one.refused), ""]
    return "\n".join(lines)


def main(
    projects: Annotated[list[str], typer.Argument(metavar="NAME@COMMIT=FOLDER...", help="Checkouts of projects.")],
    write: Annotated[bool, typer.Option(help="Write the page.")] = True,
) -> None:
    """Put each project under the dye, and print what came of it."""
    found = []
    with servers("adoption") as sandbox, tempfile.TemporaryDirectory() as home:
        for given in projects:
            parts = _GIVEN.fullmatch(given)
            if parts is None:
                raise typer.BadParameter(f"{given} is not NAME@COMMIT=FOLDER.")
            _empty_database(sandbox)
            found.append(adopt(parts["name"], parts["commit"], Path(parts["folder"]).resolve(), Path(home)))
            typer.echo(str(found[-1]))
    if write:
        with tempfile.TemporaryDirectory() as home:
            PAGE.write_text(page(found, table(list(steps(Path(home))))), encoding="utf-8")
    raise typer.Exit(0 if all(one.is_live_unchanged for one in found) else 1)


def _empty_database(sandbox: Sandbox) -> None:
    """Give the next project a database of its own, to which the environment points."""
    name = f"adoption_{time.monotonic_ns()}"
    session = psycopg2.connect(
        user=os.environ["PG_ADMIN_USER"], password=os.environ["PG_ADMIN_PASSWORD"], dbname="postgres"
    )
    session.autocommit = True
    with closing(session), session.cursor() as query:
        query.execute(sql.SQL("create database {} owner angiogram").format(sql.Identifier(name)))
    os.environ["PGDATABASE"] = name


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
