"""The SQL of the live target beside that of the dye: compiled without any server, and compared."""

from pathlib import Path

import pytest

from angiogram.core.errors import InvalidSettings
from angiogram.core.findings import FindingKind
from angiogram.dbt import live_target
from angiogram.dbt.live_target import LiveTarget, Unread
from angiogram.dbt.manifest.macros import CIRCUMSTANCES
from angiogram.dbt.project import Project
from angiogram.judge.guards import guards, live_sql
from angiogram.judge.guards.changes import Change
from angiogram.judge.guards.live_sql import LiveSql
from angiogram.judge.guards.live_sql_changes import ambiguous, changes, unintended
from angiogram.judge.guards.surface import Surface
from tests.angiogram.coffee_shop import copied
from tests.dbt.project import DbtProject

ONLY_LIVE = "{% if target.name == 'live' %}"
RUN = "'{{ invocation_id }} {{ run_started_at }} {{ modules.datetime.datetime.now() }}' as run"
ASKS = "{% set names = run_query('select 1') %}"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DbtProject:
    """A copy of the second project; there is no server, and no secret but the dye's."""
    copy = copied(tmp_path / "coffee_shop")
    profile = copy / "profiles.yml"
    live = "schema: coffee_shop\n      password: \"{{ env_var('DBT_ENV_SECRET_LIVE_PASSWORD') }}\"\n"
    profile.write_text(profile.read_text().replace("schema: coffee_shop\n", live))
    for name, value in {
        "PGHOST": "127.0.0.1",
        "PGPORT": "1",
        "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD": "anything-at-all",
        "DBT_PROJECT_DIR": str(copy),
        "DBT_PROFILES_DIR": str(copy),
        "DBT_TARGET_PATH": str(copy / "target"),
        "DBT_LOG_PATH": str(copy / "logs"),
    }.items():
        monkeypatch.setenv(name, value)
    return DbtProject(copy)


def compared(shop: DbtProject) -> tuple[Project, LiveSql]:
    """The project, and how its live SQL compares."""
    project = Project(shop.folder, dye_source="seeds")
    live = live_target.read(project, "live")
    assert isinstance(live, LiveTarget), live
    return project, live_sql.compare(project, live)


def red(found: list[Change]) -> dict[str, str]:
    return {change.stage.name: change.text for change in found if change.kind and change.stage}


def test_targets_that_differ_in_names_comments_and_inputs_alone_run_the_same_sql(shop: DbtProject) -> None:
    """What varies from run to run, a view for a table, white space, what the database is asked: no difference."""
    shop.replace("models/core/guests.sql", "with guests", f"{ONLY_LIVE}-- live\n\n{{% endif %}}with guests")
    shop.replace("models/reports/takings_by_month.sql", "as takings\n", f"as takings, {RUN}\n")
    takings = "{{ config(materialized='view' if target.name == 'live' else 'table') }}"
    shop.replace("models/reports/takings_by_month.sql", "with tickets", f"{takings} with tickets")
    (shop.folder / "models" / "reports" / "asking.sql").write_text(
        "{% set names = run_query('select 1') %}select * from {{ ref('menu') }}"
    )

    project, found = compared(shop)

    assert list(unintended(found, project, "live")) == []
    assert list(ambiguous(None, found, "live")) == []
    assert found.inputs == {f"raw_{name}": [f"shop.{name}"] for name in ("guests", "lines", "tickets")}


def test_schemas_and_databases_that_hooks_name_are_no_difference_but_what_they_do_there_is(shop: DbtProject) -> None:
    """As with relations that dbt knows: each target has its own."""
    shop.replace("profiles.yml", "schema: coffee_shop\n", "schema: coffee_shop\n      dbname: live_shop\n")
    for model, verb in (("core/guests", "insert into"), ("reports/takings_by_month", "LIVE")):
        text = (
            "create table if not exists {{ this.schema }}.kept as select * from {{ this }};"
            'grant usage on schema "{{ target.schema }}" to reader;'
            "grant connect on database {{ this.database }} to reader"
        )
        if verb == "LIVE":
            text += f"; {ONLY_LIVE}truncate{{% else %}}analyze{{% endif %}} {{{{ target.schema }}}}.kept"
        quoted = text.replace('"', '\\"')
        shop.replace(f"models/{model}.sql", "with ", f'{{{{ config(post_hook="{quoted}") }}}}\nwith ')
    shop.replace("models/base/base_lines.sql", "where cups > 0", "where cups > {{ target.schema }}.least()")

    project, found = compared(shop)

    assert red(list(unintended(found, project, "live"))).keys() == {"takings_by_month"}


def test_a_branch_for_the_live_target_alone_is_named_with_its_lines(shop: DbtProject) -> None:
    """In either form of is_incremental, a macro, a setting, a hook, an ephemeral model; another table than a seed."""
    shop.replace(
        "models/core/guests.sql",
        "where state = 'paid'",
        f"where state = 'paid'\n{ONLY_LIVE}\nand spent > 0\n{{% endif %}}",
    )
    shop.replace(
        "models/core/tickets.sql", "where changed_at >", "where {{ 'true or' if target.name == 'live' }} changed_at >"
    )
    shop.replace("models/base/base_lines.sql", "where cups > 0", "where {{ poured() }}")
    (shop.folder / "macros" / "poured.sql").write_text(
        "{% macro poured() %}cups > {{ 1 if target.name == 'live' else 0 }}{% endmacro %}"
    )
    hook = "{{ config(post_hook='delete from ' ~ this if target.name == 'live' else []) }}"
    shop.replace("models/reports/takings_by_month.sql", "with tickets", f"{hook} with tickets")
    reports = shop.folder / "models" / "reports"
    (reports / "between.sql").write_text(
        "{{ config(materialized='ephemeral') }} select 1 as n {{ 'where false' if target.name == 'live' }}"
    )
    (reports / "around.sql").write_text("select * from {{ ref('between') }}")
    (reports / "prices.sql").write_text(
        "select * from {{ source('shop', 'lines') if target.name == 'live' else ref('menu') }}"
    )
    (reports / "grown.sql").write_text(
        "{{ config(materialized='incremental', unique_key='n' if target.name == 'live' else none) }} select 1 as n"
    )
    (reports / "guarded.sql").write_text(
        "{{ config(materialized='incremental', full_refresh=target.name != 'live') }} select 1 as n"
    )
    (reports / "broken.sql").write_text(
        f"{ONLY_LIVE}{{% if execute %}}{{{{ exceptions.raise_compiler_error('no way') }}}}{{% endif %}}{{% endif %}}"
        "select 1 as n"
    )
    (reports / "below.sql").write_text("select * from {{ ref('broken') }} where {{ (target.name == 'live') | lower }}")
    (reports / "asking.sql").write_text(f"{ASKS}select '{{{{ target.name }}}}' as place")
    (reports / "live_alone.sql").write_text("{{ config(enabled=target.name == 'live') }} select 1 as n")

    project, found = compared(shop)

    told = list(unintended(found, project, "live"))
    assert red(told).keys() == {
        *(
            "guests",
            "tickets",
            "base_lines",
            "takings_by_month",
            "between",
            "prices",
            "grown",
            "guarded",
            "broken",
            "below",
        )
    }
    assert {change.kind for change in told if change.kind} == {FindingKind.LIVE_SQL}
    texts = red(told)
    assert texts["guests"].splitlines() == [
        "guests runs other SQL under target live than the dye tests (first build): and spent > 0",
        "    live       and spent > 0",
        "    angiogram  -",
    ]
    [guests] = [change for change in told if change.stage and change.stage.name == "guests"]
    line = (shop.folder / "models/core/guests.sql").read_text().splitlines().index("and spent > 0") + 1
    assert (guests.file, guests.line) == ("models/core/guests.sql", line)
    assert "intended" in str(guests.advice)
    assert "(incremental build): where true or changed_at" in texts["tickets"]
    assert "cups > 1" in texts["base_lines"]
    assert "(hooks): delete from takings_by_month" in texts["takings_by_month"]
    assert "from shop.lines" in texts["prices"]
    assert "unique_key: n" in texts["grown"]
    assert "full_refresh: True" in texts["guarded"]
    assert "no way" in texts["broken"]
    notices = [change.text for change in told if change.code]
    assert notices[0].startswith("Live SQL of asking was not compared: it depends on the target, and on results")
    assert notices[1:] == ["Target live builds live_alone, which the dye does not reach."]


HOOKS = """
on-run-end:
  - "{% if target.name == 'live' %}delete from {{ target.schema }}.guests where guest_id > 2{% endif %}"
  - "{% if target.name == 'angiogram' and flags.WHICH == 'run' %}update {{ target.schema }}.guests set n = 1{% endif %}"
  - "grant usage on schema {{ target.schema }} to cook; grant select on {{ ref('guests') }} to cook"
  - "{% do run_query('select 1') if target.name == 'live' %}"
  - "{% do run_query('select 1') %}{{ results | length }} -- the same everywhere"
"""
MERGE = """
{% macro get_incremental_merge_sql(arg_dict) -%}
    {{ return(appended(arg_dict) if data_angiogram.is_dye_target() else default__get_incremental_merge_sql(arg_dict)) }}
{%- endmacro %}
{% macro appended(arg_dict) -%} {{ return(get_incremental_append_sql(arg_dict)) }} {%- endmacro %}
{% macro postgres__get_empty_schema_sql(columns) -%}
    {{ return(default__get_empty_schema_sql(columns)) }} {#- under target.name == 'live' as well -#}
{%- endmacro %}
"""


def test_what_only_a_build_does_under_the_live_target_is_named_too(shop: DbtProject) -> None:
    """Hooks of the project and of seeds, settings of seeds, a branch for a command, an override of a dbt macro."""
    shop.replace("dbt_project.yml", "\nmodels:\n", f"{HOOKS}\nmodels:\n")
    prices = "price_cents: integer}"
    hook = "+post-hook: \"{% if target.name == 'live' %}update {{ this }} set price_cents = 0{% endif %}\""
    live_type = prices.replace("integer", "\"{{ 'text' if target.name == 'live' else 'integer' }}\"")
    shop.replace("dbt_project.yml", prices, f"{live_type}\n        {hook}")
    (shop.folder / "seeds" / "reference" / "towns.csv").write_text("name\nUlm\n")
    shop.replace("dbt_project.yml", "      menu:\n", f"      towns:\n        {hook}\n      menu:\n")
    building = "{% if flags.WHICH in ('run', 'build') and target.name == 'live' %}and guest_id > 2{% endif %}"
    shop.replace("models/core/guests.sql", "where state = 'paid'", f"where state = 'paid' {building}")
    by_build = "{% if flags.WHICH == 'build' %}and cups > 1{% endif %}"
    shop.replace("models/base/base_lines.sql", "where cups > 0", f"where cups > 0 {by_build}")
    refreshed = "{% if flags.FULL_REFRESH and target.name == 'live' %}limit 1{% endif %}"
    takings = shop.folder / "models" / "reports" / "takings_by_month.sql"
    takings.write_text(f"{takings.read_text()}\n{refreshed}")
    (shop.folder / "macros" / "merge.sql").write_text(MERGE)
    (shop.folder / "models" / "reports" / "staged.sql").write_text('select \'{{ env_var("STAGE", "dev") }}\' as stage')

    project, found = compared(shop)

    told = list(unintended(found, project, "live"))
    texts = {str(change.stage): change.text for change in told if change.kind}
    assert texts.keys() == {
        *("guests", "base_lines", "takings_by_month", "tickets", "seed:menu", "seed:towns"),
        *(f"hook:coffee_shop-on-run-end-{number}" for number in (0, 1, 3)),
    }
    assert "(hooks): delete from coffee_shop.guests where guest_id > 2" in texts["hook:coffee_shop-on-run-end-0"]
    assert "without update angiogram_coffee_shop.guests set n = 1" in texts["hook:coffee_shop-on-run-end-1"]
    assert "and queries the database. No compilation shows" in texts["hook:coffee_shop-on-run-end-3"]
    assert "(hooks): update menu set price_cents = 0" in texts["seed:menu"]
    assert "get_incremental_merge_sql, which depends on the target" in texts["tickets"]
    assert "and guest_id > 2" in texts["guests"]
    assert "(first build with --full-refresh): limit 1" in texts["takings_by_month"]
    assert [change.text.partition(" ")[0] for change in told if change.code] == ["staged"]

    shop.replace("models/base/base_lines.sql", by_build, "")
    listed = [
        "macro: get_incremental_merge_sql",
        "seed: menu",
        "seed: towns",
        "model: guests",
        "model: takings_by_month",
    ]
    listed += [f"hook: coffee_shop-on-run-end-{number}" for number in (0, 1, 3)]
    settings = shop.folder / "angiogram.yml"
    entries = ", ".join(f"{{{entry}, reason: Tea}}" for entry in listed)
    settings.write_text(f"{settings.read_text()}intended: {{live_sql: [{entries}]}}\n")

    project, found = compared(shop)

    told = list(unintended(found, project, "live"))
    assert [change.text for change in told if change.kind or change.code == "intended_unused"] == []
    assert found.unseen["get_incremental_merge_sql"].is_listed


KEPT = """
{% materialization kept, adapter='postgres' %}
    {% call statement('main') %}create table {{ this }} as {{ sql }} {{ config.get('keep') }}{% endcall %}
    {{ return({'relations': [this]}) }}
{% endmaterialization %}
"""


def test_settings_of_the_live_target_alone_are_named_too(shop: DbtProject) -> None:
    """Of models: all that a macro may read, and the contract. Of seeds: the file too, and what only live has."""
    live = "target.name == 'live'"
    predicates = f"unique_key='ticket_id', predicates=(['false'] if {live} else none),"
    shop.replace("models/core/tickets.sql", "unique_key='ticket_id',", predicates)
    (shop.folder / "macros" / "kept.sql").write_text(KEPT)
    shop.replace(
        "models/core/guests.sql",
        "with guests as",
        f"{{{{ config(materialized='kept', keep=('limit 1' if {live} else none)) }}}}\nwith guests as",
    )
    menu = (shop.folder / "seeds/reference/menu.csv").read_text()
    settings = (shop.folder / "dbt_project.yml").read_text()
    start, end = settings.index("    reference:\n"), settings.index("    input:\n")
    reference = settings[start:end]
    patch = '      patch:\n        +enabled: "{{ target.name == \'live\' }}"\n        +post-hook: "truncate t"\n'
    of_dye = reference.replace("reference:\n", f'reference:\n      +enabled: "{{{{ not ({live}) }}}}"\n')
    of_live = reference.replace("reference:\n", f'prod:\n      +enabled: "{{{{ {live} }}}}"\n')
    (shop.folder / "dbt_project.yml").write_text(settings[:start] + of_dye + of_live + patch + settings[end:])
    for name, text in {"menu": f"{menu}TEA,Tea,drink,999\n", "patch": "a\n1\n"}.items():
        (shop.folder / "seeds" / "prod").mkdir(exist_ok=True)
        (shop.folder / "seeds" / "prod" / f"{name}.csv").write_text(text)
    shop.replace(
        "models/models.yml",
        "  - name: takings_by_month\n",
        "  - name: takings_by_month\n    config: {contract: {enforced: true}}\n",
    )
    shop.replace(
        "models/models.yml",
        "      - name: month\n        data_tests: [not_null, unique]\n",
        "      - {name: month, data_type: date}\n      - {name: tickets, data_type: bigint}\n"
        f"      - name: takings\n        data_type: \"{{{{ 'int' if {live} else 'numeric' }}}}\"\n",
    )
    tags = f"{{{{ config(tags=['nightly'] if {live} else [], indexes=[{{'columns': ['id']}}] if {live} else []) }}}}"
    shop.replace("models/base/base_guests.sql", "with ", f"{tags}\nwith ")

    project, found = compared(shop)

    texts = red(list(unintended(found, project, "live")))
    assert texts.keys() == {"tickets", "guests", "menu", "patch", "takings_by_month"}
    assert "predicates: ['false']" in texts["tickets"]
    assert "keep: limit 1" in texts["guests"]
    assert "file: seeds/prod/menu.csv" in texts["menu"]
    assert "(hooks): truncate t" in texts["patch"]
    assert "contract: takings int" in texts["takings_by_month"]


END_HOOKS = """
on-run-end:
  - "{% for s in schemas %}{% if target.name == 'live' %}delete from {{ s }}.guests where n > 2;{% endif %}{% endfor %}"
  - "{% for r in results if not data_angiogram.is_dye_target() and r.status == 'error' %}truncate a;{% endfor %}"
  - "{% for s in schemas %}grant usage on schema {{ s }} to cook;{% endfor %}"
  - "{% for r in results if r.node.resource_type == 'model' %}analyze {{ r.node.schema }}.t;{% endfor %}"
  - "create schema if not exists {{ target.schema }}_udfs"
  - "select 1 from pg_tables where schemaname = '{{ target.schema }}'"
"""


def test_loops_of_hooks_names_in_literals_and_hooks_that_query_are_seen(shop: DbtProject) -> None:
    """The name of a schema or relation in a literal is a value. A schema named after the target's is no difference."""
    shop.replace("dbt_project.yml", "\nmodels:\n", f"{END_HOOKS}\nmodels:\n")
    condition = "where state = 'paid' and ('{{ target.schema }}' <> 'coffee_shop' or guest_id > 2)"
    shop.replace("models/core/guests.sql", "where state = 'paid'", condition)
    shop.replace(
        "models/core/tickets.sql", "select * from final", "select * from final where '{{ this }}' like '%dye%'"
    )
    hook = "{% if execute and not data_angiogram.is_dye_target() %}{% do run_query('truncate ' ~ this) %}{% endif %}"
    asking = f'{{{{ config(post_hook="{hook}") }}}}\nwith '
    shop.replace("models/reports/takings_by_month.sql", "with ", asking)
    harmless = "{{ config(post_hook=\"{% do run_query('analyze') %}\") }}\nwith "
    shop.replace("models/base/base_guests.sql", "with ", harmless)

    project, found = compared(shop)

    texts = red(list(unintended(found, project, "live")))
    hooks = {f"coffee_shop-on-run-end-{number}" for number in (0, 1)}
    assert texts.keys() == {"guests", "tickets", "takings_by_month", *hooks}
    assert "A hook of takings_by_month depends on the target" in texts["takings_by_month"]
    assert "delete from coffee_shop.guests" in texts["coffee_shop-on-run-end-0"]


def test_what_angiogram_yml_lists_is_intended_until_it_changes(shop: DbtProject) -> None:
    shop.replace("macros/raw.sql", "source('shop', name)", "source('shop', name) ~ (' limit 5' if name == 'lines')")
    shop.replace("models/core/guests.sql", "'paid'", "'{{ 'paid' if target.name == 'live' else 'paid' ~ '' }}'")
    shop.replace("models/core/tickets.sql", "'drink'", "'{{ 'tea' if target.name == 'live' else 'drink' }}'")
    settings = shop.folder / "angiogram.yml"
    listed = "intended: {live_sql: [{macro: raw, reason: The till}, {model: tickets, reason: Tea}]}\n"
    settings.write_text(settings.read_text() + listed)

    project, found = compared(shop)

    assert red(list(unintended(found, project, "live"))) == {}
    assert found.inputs == {}, "what a listed macro reads is its own"
    fingerprints = found.switches | {"tickets": found.differences["tickets"].fingerprint}
    accepted = Surface(intended=fingerprints)
    told = list(changes(Surface(), accepted, found, "live", "angiogram"))
    assert [change.code for change in told] == ["intended_new", "intended_new"], "listed in this very edit, perhaps"
    assert "what the macro raw generates under target live" in told[0].text
    assert "what tickets runs only under target live: sum(case when menu.kind = 'tea'" in told[1].text
    assert list(changes(accepted, Surface(intended=fingerprints), found, "live", "angiogram")) == []

    shop.replace("macros/raw.sql", "limit 5", "limit 6")
    shop.replace("models/core/tickets.sql", "'tea'", "'coffee'")
    project, found = compared(shop)

    assert red(list(unintended(found, project, "live"))) == {}
    now = Surface(intended=found.switches | {"tickets": found.differences["tickets"].fingerprint})
    moved = red(list(changes(accepted, now, found, "live", "angiogram")))
    assert moved.keys() == {"base_lines", "tickets"} or moved.keys() == {"base_guests", "tickets"}
    assert "The macro raw generates other SQL under target live" in next(iter(moved.values()))
    assert "coffee" in moved["tickets"]

    settings.write_text(settings.read_text().replace("tickets", "guests").replace("raw", "raw_things"))
    project, found = compared(shop)
    unused = [change.text for change in unintended(found, project, "live") if change.code == "intended_unused"]
    assert [text.split(": ")[1] for text in unused] == [
        "nothing uses the macro raw_things. Delete the entry.",
        "model guests does not differ. Delete the entry.",
    ]


def test_another_relation_in_the_place_of_an_input_is_told(shop: DbtProject) -> None:
    """Names are aside; which relation stands for which input of the dye is accepted with the surface."""
    _, found = compared(shop)
    accepted = Surface(inputs=found.inputs)
    shop.replace(
        "models/base/base_guests.sql",
        "{{ raw('guests') }}",
        "{{ raw('guests' if data_angiogram.is_dye_target() else 'lines') }}",
    )

    _, found = compared(shop)

    now = Surface(inputs=found.inputs)
    [(model, text)] = red(list(changes(accepted, now, found, "live", "angiogram"))).items()
    assert model == "base_guests"
    assert "reads shop.lines in place of the dye input raw_guests; accepted is shop.guests." in text
    [told] = ambiguous(None, found, "live")
    assert "The dye inputs raw_guests and raw_lines both stand for shop.lines" in told.text
    assert list(ambiguous(accepted, found, "live")) == []


def test_another_table_of_the_same_source_is_told_however_names_are_quoted(shop: DbtProject) -> None:
    """The name of a source in dbt stays as it is; its table does not."""
    settings = shop.folder / "dbt_project.yml"
    quoting = "quoting: {database: false, schema: false, identifier: false}"
    settings.write_text(f"{settings.read_text()}\n{quoting}\n")
    project, found = compared(shop)
    assert red(list(unintended(found, project, "live"))) == {}
    assert found.inputs == {f"raw_{name}": [f"shop.{name}"] for name in ("guests", "lines", "tickets")}
    accepted = Surface(inputs=found.inputs)
    [sources] = [file for file in (shop.folder / "models").rglob("*.yml") if "sources:" in file.read_text()]
    sources.write_text(sources.read_text().replace("{name: guests, ", "{name: guests, identifier: guests_2019, "))

    _, found = compared(shop)

    [(model, text)] = red(list(changes(accepted, Surface(inputs=found.inputs), found, "live", "angiogram"))).items()
    assert model == "base_guests"
    assert "shop.guests_2019 in place of the dye input raw_guests; accepted is shop.guests." in text


@pytest.mark.parametrize(
    ("file", "before", "after", "is_fault", "reason"),
    [
        pytest.param(
            "angiogram.yml", ": live", ": production", False, "does not have a target named", id="no such target"
        ),
        pytest.param(
            "profiles.yml",
            "schema: coffee_shop\n",
            "schema: \"{{ env_var('NOWHERE') }}\"\n",
            False,
            "NOWHERE",
            id="variable",
        ),
        pytest.param(
            "models/core/guests.sql",
            "with guests",
            "{{ ref('nobody') if target.name == 'live' }}with guests",
            True,
            "depends on a node named 'nobody'",
            id="a model that reads nothing there is",
        ),
    ],
)
def test_a_live_target_that_cannot_be_read_is_told_and_red_only_if_the_project_is_at_fault(
    shop: DbtProject, file: str, before: str, after: str, is_fault: bool, reason: str
) -> None:
    shop.replace(file, before, after)
    project = Project(shop.folder, dye_source="seeds")
    unread = live_target.read(project, str(project.settings.live_target))
    assert isinstance(unread, Unread)
    assert (unread.is_fault, reason in unread.reason) == (is_fault, True), unread
    accepted = Surface.accepted(shop.folder)
    assert accepted is not None
    unknown = accepted.model_copy(update={"live_target": None})
    findings, notices = guards.judge(project, guards.Present(unknown, unread, None), {}, {})
    if is_fault:
        assert [(found.stage.name, found.file) for found in findings] == [("guests", "models/core/guests.sql")]
    else:
        moved = ["live"] if file == "angiogram.yml" else []  # its surface was accepted under the target named before
        assert [found.stage.name for found in findings] == moved
        assert notices[0].code == "live_sql_not_compared"


def test_a_dye_target_is_no_live_target(shop: DbtProject) -> None:
    shop.replace("angiogram.yml", "live_target: live", "live_target: angiogram")
    with pytest.raises(InvalidSettings, match="is a dye target"):
        Project(shop.folder)


def test_a_schema_that_is_compared_in_what_no_compilation_shows_is_the_target(shop: DbtProject) -> None:
    """Of a hook that queries, of a macro that a hook calls, and of one that takes the place of dbt's own."""
    queried = "execute and run_query('select 1').rows and this.schema == 'shop'"
    hook = '{{ config(post_hook="{% if QUERIED %}update {{ this }} set spent = 1{% endif %}") }}'
    shop.replace("models/core/guests.sql", "with ", hook.replace("QUERIED", queried) + "\nwith ")
    shop.replace("models/core/tickets.sql", "with ", "{{ config(post_hook='{{ only_live() }}') }}\nwith ")
    (shop.folder / "macros" / "built.sql").write_text(
        "{% macro only_live() %}{% if schema != 'angiogram' %}{% do run_query('select 1') %}update {{ this }} set n = 0"
        "{% endif %}{% endmacro %}\n"
        "{% macro postgres__create_table_as(temporary, relation, sql) %}create table {{ relation }} as {{ sql }}"
        "{% if 'angiogram' not in relation.schema|string %} limit 2{% endif %}{% endmacro %}\n"
    )

    project, found = compared(shop)

    told = {str(change.stage) for change in unintended(found, project, "live") if change.kind}
    assert {"guests", "tickets"} <= told
    assert any("create_table_as" in change.text for change in unintended(found, project, "live") if change.kind)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("{% if this.schema == 'live' %}", True),
        ("{% if 'dye' not in relation.schema | string %}", True),
        ("{% if model['schema']|lower != 'live' %}", True),
        ("{% if schema in ('a', 'b') %}", True),
        ("{% if 'live' in schemas %}", True),
        ("grant usage on schema {{ schema }} to x; insert into log values ('{{ this.schema }}')", False),
        ("{% for s in schemas %}{{ s }}{% endfor %} create schema {{ relation.schema }}", False),
        ("select * from information_schema.tables where table_schema in ('a') and schema_name = 'b'", False),
    ],
)
def test_a_name_of_a_schema_asks_for_the_target_where_it_is_compared(text: str, asks: bool) -> None:
    assert bool(CIRCUMSTANCES.search(text)) is asks
