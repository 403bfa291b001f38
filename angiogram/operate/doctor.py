"""Checks that everything a run needs is in place.

Each check gives one line: right, worth knowing, or what to do.
"""

import platform
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.metadata import metadata as metadata_of
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from psycopg2.extensions import connection

from angiogram.core.environment import ALERT_URLS, REPORT_URL, Environment
from angiogram.core.errors import AngiogramError
from angiogram.core.stage_id import MODEL
from angiogram.dbt.live_target import Unread
from angiogram.dbt.live_target import read as read_live
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import dye_targets, install_packages_command
from angiogram.dbt.seeds.dye_seeds import expected_name
from angiogram.dye.key_check import check_key
from angiogram.dye.seeds import read_dye, read_malformed
from angiogram.judge.guards.surface import Surface
from angiogram.operate.dye_targets_check import foreign_relations, wrong_seeds
from angiogram.operate.split_keys import LATEST, split_keys
from angiogram.store import runs
from ingestion.contract import ANGIOGRAM, LOADER, Contract
from ingestion.database.roles import AIRFLOW_DATABASE
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable, IngestionError
from ingestion.extras import DISTRIBUTION, EXTRAS, OF_A_USER, install_command, is_installed, require
from ingestion.migrations import all_migrations, require_current
from ingestion.settings import FrontDoorSettings, KafkaSettings, has_password, roles
from ingestion.settings.pipeline import contract
from ingestion.settings.settings_file import SETTINGS_FILE

ROOT = Path(__file__).resolve().parents[2]


class Mark(StrEnum):
    """The result of a check."""

    OK = "ok"
    NOTE = "note"
    """Not wrong, but worth knowing."""
    PROBLEM = "problem"
    """A run would fail, or its verdict would not be reliable."""


@dataclass(frozen=True, slots=True)
class Line:
    """One check.

    Attributes:
        topic: what it belongs to.
        mark: its result.
        text: what was found and, for a problem, what to do.
    """

    topic: str
    mark: Mark
    text: str


DoctorCheck = Callable[[], Iterator[tuple[Mark, str]]]


def examine() -> Iterator[Line]:
    """Run all checks, one after the other. What is down gives a line, not an error."""
    checks: dict[str, DoctorCheck] = {
        "Python": _python,
        "packages": _packages,
        "PostgreSQL": _postgres,
        "Kafka": _kafka,
        "keys": _keys,
        "front door": _front_door,
        "dbt": _dbt,
        "surface": _surface,
        "dye": _dye,
        "dye targets": _dye_targets,
        "alerts": _alerts,
    }
    for topic, check in checks.items():
        try:
            for mark, text in check():
                yield Line(topic, mark, text)
        except (AngiogramError, IngestionError) as error:
            yield Line(topic, Mark.PROBLEM, str(error))


def _python() -> Iterator[tuple[Mark, str]]:
    wanted, found = metadata_of(DISTRIBUTION)["Requires-Python"], platform.python_version()
    if SpecifierSet(wanted).contains(found):
        yield Mark.OK, f"{found}, which satisfies {wanted}"
    else:
        yield Mark.PROBLEM, f"{found}, but {wanted} is needed. Create the environment again: make PYTHON=... install"


def _packages() -> Iterator[tuple[Mark, str]]:
    wrong: list[str] = []
    wanted = [Requirement(text) for text in requires(DISTRIBUTION) or []]
    extras = [extra for extra in EXTRAS if is_installed(extra)]
    needed = [
        one
        for one in wanted
        if one.name != DISTRIBUTION
        and (one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)))
    ]
    for one in needed:
        try:
            found = version(one.name)
        except PackageNotFoundError:
            wrong.append(f"{one.name} is not installed")
            continue
        if not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} {found} is not {one.specifier}")
    pins = ROOT / "requirements.txt"
    if not wrong and pins.is_file():
        wrong = list(_unlike_pins(pins.read_text(encoding="utf-8"), all_there={*OF_A_USER} <= {*extras}))
    if wrong:
        some = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        yield Mark.PROBLEM, f"{some}. Run {'`make install`' if pins.is_file() else install_command(','.join(extras))}."
    else:
        yield Mark.OK, f"{len(needed)} packages and their dependencies are installed in the right versions"
    for extra in OF_A_USER:
        if extra not in extras:
            yield Mark.NOTE, f"the extra `{extra}` is not installed: {install_command(extra)}"


def _unlike_pins(text: str, all_there: bool) -> Iterator[str]:
    """Yield the packages whose version is not the pinned one.

    The pins are those of all extras. A package may be missing if one of the extras is not installed.
    """
    for line in re.findall(r"^[A-Za-z0-9].*$", text, re.MULTILINE):
        pin = Requirement(line.partition(" #")[0].strip())
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            found = version(pin.name)
        except PackageNotFoundError:
            if all_there:
                yield f"{pin.name} is not installed"
            continue
        if not pin.specifier.contains(found, prereleases=True):
            yield f"{pin.name} {found} is not {pin.specifier}, as requirements.txt pins it"


def _postgres() -> Iterator[tuple[Mark, str]]:
    with runs.database("doctor") as database:
        yield Mark.OK, f"version {database.get_parameter_status('server_version')} accepts the login of angiogram"
        require_current(database)
        yield Mark.OK, f"all {len(all_migrations())} migrations are applied"
        yield from _rights(database)
        check_key(database)
        yield Mark.OK, "the latest loader and every running one verify dye with DYE_KEY"
    for job, (role, variable) in roles().items():
        if job == runs.RUNS_ROLE:
            continue
        if not has_password(job):
            yield Mark.NOTE, f"{variable} is not set here, so the login of {role} was not tested"
            continue
        try:
            connect(job, "angiogram doctor", AIRFLOW_DATABASE if job == "airflow" else None).close()
        except DatabaseUnavailable as error:
            yield Mark.PROBLEM, str(error)
        else:
            yield Mark.OK, f"{role} can log in"


def _wanted(promised: Contract) -> list[tuple[str, str, str, bool]]:
    """Return the rights that keep the dye and the live messages apart.

    Each has role, table, right, and whether the role must have it.
    """
    live, dye = f"raw.{promised.table}", f"angiogram_raw.{promised.table}"
    angiogram, loader = promised.roles[ANGIOGRAM].name, promised.roles[LOADER].name
    builders = [promised.roles[job].name for job, prefix in promised.model_roles.items() if not prefix]
    readers = [promised.roles[job].name for job in promised.readers]
    return [
        (angiogram, "angiogram.runs", "insert", True),
        (angiogram, "angiogram.alerts", "insert", True),
        (angiogram, f"angiogram_raw.{promised.dye_view}", "select", True),
        (angiogram, "raw.loaded_offsets", "select", True),
        (angiogram, "raw.loaders", "select", True),
        (angiogram, live, "insert", False),
        (angiogram, dye, "insert", False),
        (loader, live, "insert", True),
        (loader, live, "select", False),
        (loader, live, "delete", False),
        (loader, dye, "insert", True),
        (loader, "raw.unverified_dye", "insert", True),
        (loader, "raw.unverified_dye", "select", False),
        (angiogram, "raw.unverified_dye", "select", False),
        *((role, live, "select", True) for role in builders),
        *((role, live, "insert", False) for role in builders),
        *((role, dye, "select", False) for role in builders),
        *((role, "angiogram.last_verified", "select", True) for role in readers),
        *((role, "angiogram.runs", "insert", False) for role in readers),
    ]


def _rights(database: connection) -> Iterator[tuple[Mark, str]]:
    wrong = []
    with database.cursor() as query:
        rights = _wanted(contract())
        for role, table, right, must in rights:
            query.execute("select has_table_privilege(%s, %s, %s)", (role, table, right))
            ((has,),) = query.fetchall()
            if has != must:
                wrong.append(f"{role} {'is missing' if must else 'must not have'} {right} on {table}")
        query.execute("select has_database_privilege(current_database(), 'create')")
        if query.fetchall() != [(True,)]:
            wrong.append("angiogram is missing the right create on the database")
        query.execute(
            "select rolname from pg_roles where rolname = any(%s) and rolsuper",
            ([role.name for role in roles().values()],),
        )
        wrong += [f"{role} must not be a superuser" for (role,) in query.fetchall()]
    if wrong:
        yield Mark.PROBLEM, f"{'; '.join(wrong)}. Run `ingestion bootstrap` and revoke what was granted by hand."
    else:
        yield Mark.OK, f"roles have all the rights they need and no forbidden ones ({len(rights)} checked)"


def _kafka() -> Iterator[tuple[Mark, str]]:
    require("kafka")
    from ingestion.topic.admin import MAX_MESSAGE_BYTES, compacts_messages_away, configuration, describe, open_admin

    settings = KafkaSettings.from_environment()
    with closing(open_admin(settings)) as admin:
        _, partitions = describe(admin, settings)
        yield Mark.OK, f"the topic {settings.topic} exists, with {len(partitions)} partitions"
        if len(partitions) != settings.partitions:
            yield Mark.NOTE, f"KAFKA_PARTITIONS is {settings.partitions}: it is used only when a topic is created"
        found = configuration(admin, settings)
    stamp, largest = found["message.timestamp.type"], int(found["max.message.bytes"])
    if stamp == "LogAppendTime":
        yield Mark.OK, "the topic stamps the time of arrival (LogAppendTime)"
    else:
        yield (
            Mark.PROBLEM,
            f"the topic has message.timestamp.type {stamp}: old dye would be deleted early, and dye from "
            "the future refused. Set LogAppendTime with `kafka-configs --alter`.",
        )
    if largest < MAX_MESSAGE_BYTES:
        yield (
            Mark.PROBLEM,
            f"the topic takes messages of at most {largest} bytes: set its max.message.bytes to {MAX_MESSAGE_BYTES}.",
        )
    if told := compacts_messages_away(found, contract()):
        yield Mark.PROBLEM, f"{told}."
    if found["unclean.leader.election.enable"] == "true":
        yield (
            Mark.PROBLEM,
            "the topic has unclean.leader.election.enable true: a broker without the newest messages may take over, "
            "and they would be lost. Set it to false with `kafka-configs --alter`.",
        )


def _keys() -> Iterator[tuple[Mark, str]]:
    jobs = [job for job, prefix in contract().model_roles.items() if not prefix and has_password(job)]
    if not jobs:
        yield Mark.NOTE, "no password of a role that reads the raw tables is set here, so keys were not checked"
        return
    with closing(connect(jobs[0], "angiogram doctor")) as database:
        split = split_keys(database)
    if split:
        yield Mark.NOTE, f"{split}."
    else:
        yield Mark.OK, f"no key has messages on two partitions, among the latest {LATEST:,} of each"


def _front_door() -> Iterator[tuple[Mark, str]]:
    settings = FrontDoorSettings.from_environment()
    if settings.url is None:
        yield Mark.OK, "FRONT_DOOR_URL is not set: each run starts the API itself"
        return
    require("httpx")
    import httpx

    try:
        answer = httpx.get(f"{settings.url.rstrip('/')}/health", timeout=10, trust_env=not settings.is_on_this_machine)
    except httpx.HTTPError as error:
        yield (
            Mark.PROBLEM,
            f"{settings.shown_url} does not answer: {type(error).__name__}. Start it with `ingestion api`.",
        )
        return
    if answer.is_success:
        yield Mark.OK, f"{settings.shown_url} answers"
    else:
        yield Mark.PROBLEM, f"{settings.shown_url} answers with {answer.status_code}. See the API's own log."


def _dbt() -> Iterator[tuple[Mark, str]]:
    project = Project()  # reports missing packages
    installed = project.directory / "dbt_packages" / "dbt_utils" / ".installed"
    if not installed.is_file():
        yield Mark.OK, "the packages were installed by `dbt deps`"
    elif installed.read_text(encoding="utf-8").startswith("stand-in"):
        yield (
            Mark.NOTE,
            "dbt_utils is the project's stand-in, because the hub did not answer. "
            f"Once the hub can be reached, run `{install_packages_command(project.directory)}`.",
        )
    else:
        yield Mark.OK, "dbt_utils is the hub's"
    models = [node for node in project.nodes.values() if node.stage.kind == MODEL]
    if bare := sorted(model.name for model in models if model.expected_relation is None):
        yield (
            Mark.NOTE if len(bare) < len(models) else Mark.PROBLEM,
            f"not yet watched, because the expected seed is missing: {', '.join(bare)}. docs/your-project.md says "
            "how to add one.",
        )
    else:
        yield Mark.OK, f"each of the {len(models)} models has its expected seed"
    if gone := sorted(project.missing_models):
        yield (
            Mark.PROBLEM,
            f"no model for {', '.join(map(expected_name, gone))}: a run is blocked there. Bring the model back, or "
            "delete the seed.",
        )


def _surface() -> Iterator[tuple[Mark, str]]:
    project = Project()
    if target := project.settings.live_target:
        live = read_live(project, target)
        if isinstance(live, Unread):
            yield Mark.PROBLEM, f"the project cannot be read under live_target {target}: {live.reason}. Correct that."
        else:
            yield Mark.OK, f"the project is read under live_target {target}"
    else:
        yield Mark.NOTE, f"{SETTINGS_FILE} names no live_target: the SQL of production is not compared"
    accepted = Surface.accepted(project.directory)
    if accepted is None:
        yield Mark.NOTE, "no surface is accepted: run `angiogram accept`, and commit what it writes"
    else:
        watched = sum(model.watched for model in accepted.models.values())
        yield Mark.OK, f"the accepted surface has {len(accepted.models)} models, {watched} of them watched"


def _dye() -> Iterator[tuple[Mark, str]]:
    messages, malformed = read_dye(), read_malformed()
    yield Mark.OK, f"{len(messages)} messages and {len(malformed)} malformed ones in the input seeds"


def _dye_targets() -> Iterator[tuple[Mark, str]]:
    project = Project()
    wrong = [*wrong_seeds(project), *foreign_relations(project)]
    for text in wrong:
        yield Mark.PROBLEM, f"{text}."
    if not wrong:
        names = ", ".join(dye_targets(project.directory))
        yield Mark.OK, f"the dye's seeds are enabled under {names} alone, and write nothing but the dye's own"


def _alerts() -> Iterator[tuple[Mark, str]]:
    if count := len((environment := Environment.from_environment()).alert_urls.get_secret_value().split()):
        yield Mark.OK, f"{count} address{'es' if count > 1 else ''} in {ALERT_URLS}"
    else:
        yield Mark.NOTE, f"{ALERT_URLS} is not set: no alert will be sent"
    if not environment.report_url:
        yield Mark.NOTE, f"{REPORT_URL} is not set: alerts do not link to a page"
