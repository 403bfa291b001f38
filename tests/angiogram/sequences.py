"""Sequences of edits, runs, accepts and accidents on one database, against one on which nothing ran before.

A run must never be answered by what another left: whatever came before, verdict, blockage, findings and cells are those
of an empty database. The second project is edited, broken, killed and locked at random; after each run the same project
runs on a database without any of its tables, and both reports must agree.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from psycopg2 import sql

from angiogram.author.accept import propose
from angiogram.core.errors import AngiogramError
from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import Criteria
from angiogram.judge.from_seeds import run_from_seeds
from tests.angiogram.coffee_shop import COFFEE_SHOP, copied
from tests.services import connect_as_administrator, new_database

MODELS = ("base_guests", "base_lines", "base_tickets", "tickets", "guests", "takings_by_month")
SCHEMA = "angiogram_coffee_shop"
LAB = "lab"
"""A schema of the dye whose name does not show that it is."""

WITHIN = 120.0
"""Seconds that what is awaited may take."""

_TICKETS, _GUESTS, _TAKINGS = "models/core/tickets.sql", "models/core/guests.sql", "models/reports/takings_by_month.sql"
_PROJECT, _RAW = "dbt_project.yml", "macros/raw.sql"
_AT_THE_START = '  - "{{ data_angiogram.keep_dye_apart() }}"\n'
_EUROS = "create or replace function {{ target.schema }}.euros(n numeric) returns numeric language sql return n / 100.0"
_MOOD = (
    "do $do$ begin create type {{ target.schema }}.mood as enum ('well');"
    " exception when duplicate_object then null; end $do$"
)
_MADE = (
    '  - "create schema if not exists {{ target.schema }}_made"\n'
    '  - "create table if not exists {{ target.schema }}_made.rates as select 100.0 as per_euro"\n'
)
_MENDED = (
    "{% if data_angiogram.is_dye_target() and flags.WHICH == 'run' %}"
    "update {{ target.schema }}.guests set spent = 0{% endif %}"
)
_NO_PREFIX = "{% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}"
_LINES, _BASE_TICKETS = "models/base/base_lines.sql", "models/base/base_tickets.sql"
_IN_BATCH = "\n{{% if {}is_incremental() %}}where 1 / (total_cents - total_cents) > 0{{% endif %}}\n"
_UNIQUE = "indexes=[{'columns': ['ticket_id'], 'unique': true}],\n        unique_key='ticket_id',"

EDITS: dict[str, list[tuple[str, str, str]]] = {
    # What goes wrong in one batch alone, in either form.
    "batch 1 breaks a unique index": [
        (_TICKETS, "unique_key='ticket_id',", _UNIQUE),
        (_TICKETS, "select distinct on (ticket_id) *", "select distinct on (ticket_id, changed_at) *"),
    ],
    "batch 1 fails": [
        (_TICKETS, "    from newest\n", "    from newest\n{% if not is_incremental() %}where 1 / 0 > 0{% endif %}\n")
    ],
    "batch 2 fails": [
        (_TICKETS, "    from newest\n", "    from newest\n{% if is_incremental() %}where 1 / 0 > 0{% endif %}\n")
    ],
    "batch 2 is appended": [(_TICKETS, "'merge'", "'append'")],
    "batch 2 is taken twice": [(_TICKETS, "where changed_at > (", "where changed_at >= (")],
    # Wrong, broken, moved, renamed.
    "a rule is lost": [(_GUESTS, "where state = 'paid'", "where state <> 'open'")],
    "a view fails when it is read": [(_LINES, "where cups > 0", "where cups / (cups - cups) > 0")],
    "a model does not parse": [(_TAKINGS, "select * from final", "{% if %}")],
    "a model is broken": [(_TAKINGS, "count(*) as tickets", "count(* as tickets")],
    "a column is renamed": [(_BASE_TICKETS, "lower(state) as state", "lower(state) as status")],
    "a model moved to another schema": [(_GUESTS, "with guests as", "{{ config(schema='moved') }}\nwith guests as")],
    "a model has an alias": [(_GUESTS, "with guests as", "{{ config(alias='visitors') }}\nwith guests as")],
    "a model is disabled": [(_TAKINGS, "with tickets as", "{{ config(enabled=false) }}\nwith tickets as")],
    # What dbt would leave as it was.
    "a full refresh is forbidden": [
        (_TICKETS, "on_schema_change='fail',", "on_schema_change='fail',\n        full_refresh=false,")
    ],
    "a table is read by its old name": [
        (
            _TAKINGS,
            "select * from {{ ref('tickets') }}",
            "-- depends_on: {{ ref('guests') }}\n    select * from {{ ref('tickets') }}\n"
            "    where guest_id in (select guest_id from angiogram_coffee_shop.visitors)",
        )
    ],
    "a model reads itself": [
        (
            _TAKINGS,
            "select * from final",
            "select * from final\n{% set old = load_relation(this) if execute else none %}\n"
            "{% if old %}union all select * from {{ old }}{% endif %}",
        )
    ],
    # What only hooks make, and schemas that are written no more.
    "a hook makes a function": [(_PROJECT, _AT_THE_START, f'{_AT_THE_START}  - "{_EUROS}"\n')],
    "a function is called": [(_GUESTS, "sum(total_cents) / 100.0", "{{ target.schema }}.euros(sum(total_cents))")],
    "a hook makes a type": [(_PROJECT, _AT_THE_START, f'{_AT_THE_START}  - "{_MOOD}"\n')],
    "a type is named": [
        (_TAKINGS, "where state = 'paid'", "where 'well'::{{ target.schema }}.mood is not null and state = 'paid'")
    ],
    "a hook makes a schema": [(_PROJECT, _AT_THE_START, _AT_THE_START + _MADE)],
    "a table of that schema is read": [
        (_GUESTS, "/ 100.0", "/ (select per_euro from {{ target.schema }}_made.rates)"),
    ],
    "a hook spoils what was built": [(_PROJECT, "\nflags:\n", f'\non-run-end: "{_MENDED}"\nflags:\n')],
    "a hook fails": [(_PROJECT, _AT_THE_START, f'{_AT_THE_START}  - "select 1 / 0"\n')],
    "a model lies in a schema without the dye's name": [
        (_RAW, "{% macro raw", f"{_NO_PREFIX}\n{{% macro raw"),
        (
            _GUESTS,
            "with guests as",
            "{{ config(schema='lab' if data_angiogram.is_dye_target() else none) }}\nwith guests as",
        ),
    ],
    "a table is read where it once was": [
        (_TAKINGS, "and total_cents > 0", "and total_cents > 0 and exists (select from lab.guests)")
    ],
    # Other materializations.
    "a table becomes a view": [(_GUESTS, "with guests as", "{{ config(materialized='view') }}\nwith guests as")],
    "a table becomes a materialized view": [
        (_TAKINGS, "with tickets as", "{{ config(materialized='materialized_view') }}\nwith tickets as")
    ],
    "a view becomes ephemeral": [(_LINES, "with source as", "{{ config(materialized='ephemeral') }}\nwith source as")],
    "a leaf becomes ephemeral": [
        (_TAKINGS, "with tickets as", "{{ config(materialized='ephemeral') }}\nwith tickets as")
    ],
    # The expected data and the dye.
    "an expected cell is wrong": [("seeds/expected/expected__base_guests.csv", "Bela", "Bella")],
    "an expected type changes": [
        ("dbt_project.yml", "takings: numeric}", "takings: text}"),
    ],
    "a dye row changes": [("seeds/input/raw_lines.csv", "9,6,ESP,1\n", "9,6,ESP,2\n")],
    "a reference row is lost": [("seeds/reference/menu.csv", "\nMUF,", "\nMUG,")],
}
"""What may happen to the project, as replacements in its files; one that no longer applies is left out."""

LEFT_BEHIND = (
    ("a hook makes a function", "a function is called"),
    ("a hook makes a type", "a type is named"),
    ("a hook makes a schema", "a table of that schema is read"),
    ("a model lies in a schema without the dye's name", "a table is read where it once was"),
    ("a model has an alias", "a table is read by its old name"),
)
"""Pairs of edits: what one makes, the other one needs."""

tally: Counter[str] = Counter()
"""How often each step was played, for the page of `make torture`."""


class Sequences(RuleBasedStateMachine):
    """One project on one database, and what the same project gives on an empty one."""

    def __init__(self) -> None:
        """Make the databases and the copy of the project."""
        super().__init__()
        self._stack = ExitStack()
        self._patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        self._empty = self._stack.enter_context(new_database())
        self._used = self._stack.enter_context(new_database())
        self._home = Path(self._stack.enter_context(TemporaryDirectory(prefix="sequences-")))
        self.project = self._home / "coffee_shop"
        self._edits: list[str] = []
        self._accepted: dict[str, str] = {}
        self._known: dict[str, Any] = {}
        copied(self.project)
        self._patch.setenv("DBT_PROFILES_DIR", str(self.project))
        self._patch.setenv("DBT_PROJECT_DIR", str(self.project))
        self._patch.setenv("DBT_LOG_PATH", str(self._home / "logs"))
        tally["sequences"] += 1

    @initialize()
    def a_first_run(self) -> None:
        """Most of what may go wrong needs a healthy run before it."""
        self.run()

    @rule(edit=st.sampled_from(sorted(EDITS)))
    def edit(self, edit: str) -> None:
        """Somebody changes a file, or takes the change back."""
        tally["edit"] += 1
        self._change(edit)

    @rule(pair=st.sampled_from(LEFT_BEHIND))
    def leave_behind(self, pair: tuple[str, str]) -> None:
        """A run makes something, the next one no longer does, and a model still asks for it."""
        tally["leave behind"] += 1
        self._edits = [*(edit for edit in self._edits if edit not in pair), *pair]
        self._lay_out()
        self.run()
        self._change(pair[0])
        self.run()

    def _change(self, edit: str) -> None:
        if edit in self._edits:
            self._edits.remove(edit)
        else:
            self._edits.append(edit)
        self._lay_out()

    @rule()
    def take_all_back(self) -> None:
        """Somebody reverts everything, accepted seeds included."""
        tally["take all back"] += 1
        self._edits, self._accepted = [], {}
        self._lay_out()

    @rule()
    def run(self) -> None:
        """A run says what it would say on an empty database."""
        tally["run"] += 1
        assert self._report(self._used, "used") == self._on_an_empty_database(), self._edits

    @rule(words=st.sampled_from([*MODELS, *(f"{model}+" for model in MODELS)]))
    def select(self, words: str) -> None:
        """A run of selected models says what it would say on an empty database."""
        tally["select"] += 1
        self._schemas_away(self._empty)
        used, empty = (self._report(*place, words) for place in ((self._used, "used"), (self._empty, "empty")))
        assert used == empty, (words, self._edits)

    @rule(model=st.sampled_from(MODELS), edit=st.sampled_from(sorted(EDITS)))
    def accept(self, model: str, edit: str) -> None:
        """Somebody changes a file; what `accept` would write is what it would write on an empty database."""
        tally["accept"] += 1
        self._change(edit)
        used = self._proposed(self._used, "used", model)
        assert used == self._proposed(self._empty, "empty", model), (model, self._edits)
        if isinstance(used, dict):
            self._accepted |= used
            self._lay_out()

    @rule(relation=st.sampled_from(["menu", *MODELS]))
    def kill(self, relation: str) -> None:
        """A run is killed as soon as a relation is there, and leaves what it has built."""
        tally["kill"] += 1
        self._schemas_away(self._used)
        running = self._start()
        deadline = time.monotonic() + WITHIN
        with closing(connect_as_administrator(self._used)) as database, database.cursor() as query:
            while running.poll() is None and time.monotonic() < deadline:
                query.execute("select from pg_class where relname = %s", (relation,))
                if query.rowcount:
                    break
            running.send_signal(signal.SIGKILL)
            running.wait()
            while time.monotonic() < deadline:  # PostgreSQL notices a dead client when it next speaks to it
                query.execute(
                    "select from pg_stat_activity where datname = %s and pid <> pg_backend_pid()", (self._used,)
                )
                if not query.rowcount:
                    break
        assert running.returncode is not None

    @rule(relation=st.sampled_from(["menu", *MODELS]))
    def lock(self, relation: str) -> None:
        """Somebody reads a table of the run before for as long as the next run waits for it."""
        tally["lock"] += 1
        with closing(connect_as_administrator(self._used)) as reader, reader.cursor() as query:
            query.execute(
                "select oid::regclass::text from pg_class where relname = %s and relkind in ('r', 'v')", (relation,)
            )
            found = query.fetchone()
            if found is None:
                return
            query.execute("begin")
            query.execute(sql.SQL("lock table {} in access share mode").format(sql.SQL(found[0])))
            running = self._start()
            deadline = time.monotonic() + WITHIN
            with closing(connect_as_administrator(self._used)) as looking, looking.cursor() as look:
                while running.poll() is None and time.monotonic() < deadline:
                    look.execute("select from pg_locks where not granted")
                    if look.rowcount:
                        break
            query.execute("rollback")
            out, _ = running.communicate(timeout=WITHIN)
        report = json.loads(out)
        expected = self._on_an_empty_database()
        assert (_comparable(report) if report["verdict"] != "could_not_run" else "could_not_run") == (
            expected if isinstance(expected, dict) else "could_not_run"
        ), self._edits

    def teardown(self) -> None:
        """Drop the databases."""
        self._stack.close()

    def _lay_out(self) -> None:
        """The project as its edits and the accepted seeds have it."""
        for source in COFFEE_SHOP.rglob("*"):
            below = source.relative_to(COFFEE_SHOP)
            if source.is_file() and below.parts[0] not in ("target", "logs"):
                text = self._accepted.get(str(below)) or source.read_text(encoding="utf-8")
                for edit in self._edits:
                    for file, right, wrong in EDITS[edit]:
                        if file == str(below) and right in text:
                            text = text.replace(right, wrong)
                place = self.project / below
                if place.read_text(encoding="utf-8") != text:
                    place.write_text(text, encoding="utf-8", newline="")

    def _report(self, database: str, name: str, *select: str) -> Any:
        """What a run from the seeds gives: what is compared of its report, or the error that ended it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGDATABASE", database)
            patch.setenv("DBT_TARGET_PATH", str(self._home / name))
            try:
                run = run_from_seeds(Project(dye_source="seeds"), criteria=Criteria(select=select))
                return _comparable(run.report)
            except AngiogramError as error:
                return type(error).__name__

    def _on_an_empty_database(self) -> Any:
        state = hashlib.sha256()
        for file in sorted(self.project.rglob("*")):
            if file.is_file():
                state.update(f"{file}\0".encode() + file.read_bytes())
        if state.hexdigest() not in self._known:
            self._schemas_away(self._empty)
            self._known[state.hexdigest()] = self._report(self._empty, "empty")
        return self._known[state.hexdigest()]

    def _proposed(self, database: str, name: str, model: str) -> dict[str, str] | str:
        """The seeds that `accept` would write, by file; or why it would not."""
        if name == "empty":
            self._schemas_away(database)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGDATABASE", database)
            patch.setenv("DBT_TARGET_PATH", str(self._home / name))
            try:
                found = propose(Project(dye_source="seeds"), [model], lambda text: None)
            except AngiogramError as error:
                return type(error).__name__
            return {str(one.seed.relative_to(self.project)): one.text for one in found.models if one.text is not None}

    def _schemas_away(self, database: str) -> None:
        with closing(connect_as_administrator(database)) as server, server.cursor() as query:
            query.execute("select nspname from pg_namespace where nspname like %s or nspname = %s", (f"{SCHEMA}%", LAB))
            for (schema,) in query.fetchall():
                query.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))

    def _start(self) -> subprocess.Popen[str]:
        """`angiogram run --from-seeds` on the used database, as a process."""
        command = [sys.executable, "-c", "from angiogram.cli.main import main; main()", "run", "--from-seeds", "--json"]
        environment = {**os.environ, "PGDATABASE": self._used, "DBT_TARGET_PATH": str(self._home / "used")}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _comparable(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what differs from run to run: ids, times, and dbt's own words on where a file was compiled."""
    return {
        "verdict": report["verdict"],
        "blockage": report["blockage"],
        "findings": [(found["kind"], found["stage"]) for found in report["findings"]],
        "notices": sorted(notice["code"] for notice in report["notices"] if notice["code"] != "slow"),
        "stages": [
            {name: stage[name] for name in ("kind", "name", "reads", "verdict", "rows_out", "differences")}
            for stage in report["stages"]
        ],
        "differences": sorted(report["differences"], key=lambda found: json.dumps(found["stage"])),
        "selection": report.get("selection"),
    }
