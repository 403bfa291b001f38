"""docker-compose.yml holds to the Compose Specification and to what this project asks of it.

No container engine is needed: the file is read as Compose reads it (.env filled in, YAML merged) and checked against
the specification's own JSON schema. That one is compose-spec.json, unchanged from the Go module
github.com/compose-spec/compose-go/v2 v2.16.2 (Apache-2.0, Copyright 2020 The Compose Specification Authors). Whether
the images can be had and the containers become healthy is not seen here.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import typer
import yaml
from jsonschema import Draft202012Validator
from packaging.specifiers import SpecifierSet

from ingestion.cli import app as ingestion_app
from ingestion.topic.admin import MAX_MESSAGE_BYTES
from taxi.contract import CONTRACT

PROJECT = Path(__file__).parents[1]
TEXT = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = dict(re.findall(r"^([A-Z_]+)=(.*)$", (PROJECT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
DOCKERFILE = (PROJECT / "docker" / "Dockerfile").read_text(encoding="utf-8")
SECRETS = {name for name, value in EXAMPLE.items() if not value}
MAY_BE_EMPTY = {"DYE_KEY_OLD", "DYE_KEY_FINGERPRINT", "ANGIOGRAM_ALERT_URLS"}
ONE_SHOT = {"migrate", "airflow-init", "docs-page"}
OWN_IMAGE = "data-angiogram:0.1.0"

AIRFLOW_SERVERS = {"AIRFLOW_DB_PASSWORD", "AIRFLOW_SECRET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_FERNET_KEY"}
NEEDED = {
    "postgres": {"PG_ADMIN_PASSWORD"},
    "kafka": set(),
    "migrate": {"PG_ADMIN_PASSWORD", *(role.password_variable for role in CONTRACT.roles.values())},
    "api": {"FRONT_DOOR_API_KEY"},
    "loader": {"LOADER_PASSWORD", "DYE_KEY", "DYE_KEY_OLD", "DYE_KEY_FINGERPRINT"},
    "airflow-init": {"AIRFLOW_DB_PASSWORD"},
    "airflow-api": {*AIRFLOW_SERVERS, "AIRFLOW_ADMIN_PASSWORD", "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD"},
    "airflow-scheduler": {
        *AIRFLOW_SERVERS,
        "LOADER_PASSWORD",
        "DBT_ENV_SECRET_PROD_PASSWORD",
        "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD",
        "FRONT_DOOR_API_KEY",
        "DYE_KEY",
        "DYE_KEY_OLD",
        "DYE_KEY_FINGERPRINT",
        "ANGIOGRAM_ALERT_URLS",
    },
    "airflow-dag-processor": {"AIRFLOW_DB_PASSWORD"},
    "docs-page": {"DBT_ENV_SECRET_PROD_PASSWORD"},
    "docs": set(),
}
"""The secrets of each service: all that it needs, none that it does not."""

_REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<operator>:?[-?])(?P<argument>[^}]*))?\}")


def filled_in(text: str, values: dict[str, str]) -> str:
    """The text with each ${VARIABLE} replaced, as Compose does it; a required one without a value is a KeyError."""

    def value(reference: re.Match[str]) -> str:
        given, operator = values.get(reference["name"]), reference["operator"] or ""
        if given or (given is not None and not operator.startswith(":")):
            return given
        if operator.endswith("-"):
            return reference["argument"]
        raise KeyError(reference["name"])

    return _REFERENCE.sub(value, text)


def mark(secret: str) -> str:
    """A value by which a secret is found again wherever it went."""
    return f"value-of-{secret}."


COMPOSE: dict[str, Any] = yaml.safe_load(filled_in(TEXT, {**EXAMPLE, **{name: mark(name) for name in SECRETS}}))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

each_service = pytest.mark.parametrize("name", SERVICES)
each_server = pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOT))
each_one_shot = pytest.mark.parametrize("name", sorted(ONE_SHOT))


def specification() -> Draft202012Validator:
    """The Compose Specification's own schema."""
    return Draft202012Validator(json.loads((PROJECT / "tests" / "compose-spec.json").read_text(encoding="utf-8")))


def programs(name: str) -> Iterator[list[str]]:
    """The programs that a service runs, its healthcheck's included, as arguments."""
    service = SERVICES[name]
    if service.get("image") != OWN_IMAGE:
        return
    command = service["command"]
    if command[:2] == ["sh", "-c"]:
        yield from (shlex.split(part) for part in command[2].split("&&"))
    else:
        yield command
    if "healthcheck" in service:
        yield service["healthcheck"]["test"][1:]


ALL_PROGRAMS = [program for name in SERVICES for program in programs(name)]


def test_the_file_holds_to_the_compose_specification() -> None:
    """Every key and value is one that the specification knows."""
    errors = [f"{error.json_path}: {error.message}" for error in specification().iter_errors(COMPOSE)]
    assert errors == []


@pytest.mark.parametrize(
    "change",
    [{"helthcheck": {}}, {"restart": 5}, {"depends_on": {"kafka": {"condition": "service_wealthy"}}}],
    ids=["misspelt key", "wrong type", "unknown condition"],
)
def test_the_specification_refuses_a_mistake(change: dict[str, Any]) -> None:
    """The check above can fail: a mistake in one service is an error."""
    broken = {**COMPOSE, "services": {**SERVICES, "api": {**SERVICES["api"], **change}}}
    assert not specification().is_valid(broken)


@each_service
def test_image_is_pinned(name: str) -> None:
    """An image's tag names a version down to the patch, so that the same file starts the same programs tomorrow."""
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", SERVICES[name]["image"])


def test_base_image_is_a_patch_version_of_a_python_that_the_project_supports() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (version,) = re.findall(r"^FROM python:(\d+\.\d+\.\d+)-\S+$", DOCKERFILE, re.MULTILINE)
    assert SpecifierSet(project["requires-python"]).contains(version)


def test_own_image_has_the_version_of_the_project() -> None:
    """A release changes the tag too."""
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"data-angiogram:{version}" == OWN_IMAGE
    assert {service["image"] for service in SERVICES.values() if "build" in service} == {OWN_IMAGE}


def test_kafka_is_the_one_of_the_sandbox() -> None:
    """The version that the tests run against is the version that is started in a container."""
    jars = tomllib.loads((PROJECT / "sandbox" / "kafka.lock.toml").read_text(encoding="utf-8"))["dependencies"]
    version = next(jar["version"] for jar in jars if jar["artifactId"] == "kafka_2.13")
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


def test_kafka_takes_the_largest_message() -> None:
    """The broker's limits are those of the topic."""
    settings = SERVICES["kafka"]["environment"]
    limits = ("KAFKA_MESSAGE_MAX_BYTES", "KAFKA_REPLICA_FETCH_MAX_BYTES")
    assert {settings[limit] for limit in limits} == {str(MAX_MESSAGE_BYTES)}


@each_service
def test_volumes_are_declared(name: str) -> None:
    """A named volume that nobody declared keeps Compose from starting."""
    assert {volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])} <= COMPOSE["volumes"].keys()


@each_server
def test_long_running_service_is_watched_and_started_again(name: str) -> None:
    """`up --wait` waits for health, and what crashed comes back."""
    assert SERVICES[name]["healthcheck"].keys() >= {"test", "interval", "timeout", "retries"}
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@each_one_shot
def test_one_shot_service_is_waited_for(name: str) -> None:
    """`up --wait` takes an ended container for a failure unless some service waits for its success."""
    assert SERVICES[name]["restart"] == "no"
    assert "healthcheck" not in SERVICES[name]
    conditions = [service.get("depends_on", {}).get(name, {}).get("condition") for service in SERVICES.values()]
    assert "service_completed_successfully" in conditions


@each_service
def test_dependency_can_come_true(name: str) -> None:
    """What is waited for exists; servers are waited for until they are healthy, one-shots until they have succeeded."""
    for other, dependency in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert dependency["condition"] == wanted


def test_dependencies_have_an_order() -> None:
    """No service waits for itself, by whatever way."""
    waiting = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while ready := {name for name, others in waiting.items() if not others & waiting.keys()}:
        waiting = {name: others for name, others in waiting.items() if name not in ready}
    assert waiting == {}


def waited_for(name: str) -> set[str]:
    """All services that must be up, or have ended, before a service starts."""
    direct = set(SERVICES[name].get("depends_on", {}))
    return direct.union(*map(waited_for, direct))


@each_service
def test_a_service_starts_after_what_it_finds_is_made(name: str) -> None:
    """Tables, roles and topic are there before anybody asks for them, and so are Airflow's own tables."""
    settings = SERVICES[name].get("environment", {})
    needed = {"migrate"} if {"PGHOST", "KAFKA_TOPIC"} & settings.keys() else set()
    if "AIRFLOW__CORE__EXECUTOR" in settings:
        needed |= {"migrate", "airflow-init"}
    if "FRONT_DOOR_URL" in settings:
        needed.add("api")
    if name == "migrate":
        needed = {"postgres", "kafka", "migrate"}
    assert needed - {name} <= waited_for(name)


@each_service
def test_ports_are_open_on_this_machine_alone(name: str) -> None:
    """Nobody on the network reaches a port, and none is one that a server of this machine may have already."""
    for port in SERVICES[name].get("ports", []):
        address, outside, _ = port.split(":")
        assert address == "127.0.0.1"
        assert outside in EXAMPLE.values()
        assert outside not in ("5432", "9092", "8000", "8080")


def test_variables_are_those_of_the_example() -> None:
    """.env.example lists every variable that the file takes from .env, and no others."""
    assert {reference["name"] for reference in _REFERENCE.finditer(TEXT)} == EXAMPLE.keys()
    # No other way of writing one, which the pattern would not see.
    assert len(re.findall(r"\$", TEXT)) == len(_REFERENCE.findall(TEXT))


def test_secrets_have_no_default() -> None:
    """A secret that was forgotten stops Compose with a message; only one that may be empty does not. Ports have one."""
    for reference in _REFERENCE.finditer(TEXT):
        name, operator, argument = reference["name"], reference["operator"], reference["argument"]
        if name in MAY_BE_EMPTY:
            assert (operator, argument) == ("-", "")
        elif name in SECRETS:
            assert operator == ":?"
            assert argument
        else:
            assert (operator, argument) == (":-", EXAMPLE[name])


def test_the_example_as_it_is_starts_nothing() -> None:
    """A copy of .env.example in which nothing was filled in is refused."""
    with pytest.raises(KeyError, match=r"PASSWORD|KEY|SECRET"):
        filled_in(TEXT, EXAMPLE)


def test_every_variable_of_the_example_is_explained() -> None:
    """Each block of variables begins with a line that says what they are, and how a secret is made is told."""
    text = (PROJECT / ".env.example").read_text(encoding="utf-8")
    assert "python3 -c 'import secrets; print(secrets.token_urlsafe(24))'" in text
    assert all(block.startswith("#") for block in text.split("\n\n"))


@each_service
def test_service_gets_the_secrets_it_needs_and_no_others(name: str) -> None:
    """Whoever breaks into one container holds its own secrets, not everybody's."""
    everything = json.dumps(SERVICES[name])
    assert {secret for secret in SECRETS if mark(secret) in everything} == NEEDED[name]


@each_service
def test_secrets_come_by_the_environment_alone(name: str) -> None:
    """A secret in a command line would be seen by everybody on the machine."""
    others = json.dumps({key: value for key, value in SERVICES[name].items() if key != "environment"})
    assert not [secret for secret in SECRETS if mark(secret) in others]


@each_service
def test_own_containers_have_few_rights(name: str) -> None:
    """The project's own programs run without root, without capabilities, and cannot gain any."""
    service = SERVICES[name]
    if service["image"] == OWN_IMAGE:
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == ["taxi"]


@each_service
def test_nothing_phones_home(name: str) -> None:
    """dbt and Cosmos send no statistics from any service that runs them."""
    settings = SERVICES[name].get("environment", {})
    if name.startswith("airflow") or "DBT_PROJECT_DIR" in settings:
        assert settings["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    if name.startswith("airflow"):
        assert settings["AIRFLOW__COSMOS__ENABLE_TELEMETRY"] == "False"


@pytest.mark.parametrize("program", [p for p in ALL_PROGRAMS if p[0] == "ingestion"], ids=" ".join)
def test_command_of_ingestion_exists(program: list[str]) -> None:
    """The sub-command and each of its options are those of the command line."""
    group = typer.main.get_command(ingestion_app)
    with group.make_context("ingestion", program[1:]) as context:
        name, command, rest = group.resolve_command(context, program[1:])  # type: ignore[attr-defined]
        command.make_context(name, rest, parent=context)


def test_commands_of_airflow_exist(tmp_path: Path) -> None:
    """Airflow's own parser takes every command, the one in docker/airflow-api included."""
    commands = [program[1:] for program in ALL_PROGRAMS if program[0] == "airflow"]
    last = (PROJECT / "docker" / "airflow-api").read_text(encoding="utf-8").splitlines()[-1]
    commands.append(shlex.split(last.removeprefix("exec airflow ")))
    parse = (
        "import json, sys; from airflow.cli.cli_parser import get_parser; parser = get_parser(); "
        "[parser.parse_args(command) for command in json.loads(sys.argv[1])]"
    )
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    parsed = subprocess.run(
        [sys.executable, "-c", parse, json.dumps(commands)], env=environment, capture_output=True, text=True
    )
    assert parsed.returncode == 0, parsed.stderr
    assert len(commands) == 5


@pytest.mark.parametrize("program", ALL_PROGRAMS, ids=" ".join)
def test_program_is_in_the_image(program: list[str]) -> None:
    """A file of the project that is run exists, is let into the image, and can be executed; all else is installed."""
    script = program[1] if program[0] == "python" else program[0]
    if script.startswith("docker/"):
        assert (PROJECT / script).is_file()
        assert program[0] == "python" or os.access(PROJECT / script, os.X_OK)
        assert "!docker" in (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    else:
        assert script in ("airflow", "ingestion", "-m")


def test_own_files_of_this_machine_stay_out_of_the_image() -> None:
    """The image is given named folders, so that .env and the sandbox's data cannot slip in."""
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    for let_in in (rule.removeprefix("!") for rule in rules if rule.startswith("!")):
        assert (PROJECT / let_in).exists()
        assert not let_in.startswith(".")


def test_the_image_holds_the_contract_and_the_dbt_package(tmp_path: Path) -> None:
    """The settings file names the contract by import path, and dbt_packages links the package."""
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in (line.removeprefix("!") for line in lines if line.startswith("!")):
        if (PROJECT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "dbt_packages", "logs", "target*")
            shutil.copytree(PROJECT / name, tmp_path / name, symlinks=True, ignore=ignored)
    asked = (
        "from pathlib import Path; from ingestion.settings.pipeline import pipeline;"
        " from angiogram.dbt.package.installing import install, installed_packages; project = Path('dbt_project');"
        " assert Path(pipeline.__code__.co_filename).is_relative_to(Path.cwd());"
        " print(pipeline(project).contract().topic, install(project.resolve()),"
        " (installed_packages(project) / 'data_angiogram' / 'macros').is_dir())"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["taxi_rides", "True", "True"], done.stderr


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)], ids=["well", "unwell", "away"])
def test_healthcheck_tells_how_a_server_is(status: int | None, code: int) -> None:
    """docker/answers.py ends with 0 only if the server answers with success."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status or 500)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        url = f"http://127.0.0.1:{server.server_port}/health"
        thread = Thread(target=server.handle_request)
        if status:
            thread.start()
        else:
            server.server_close()
        asked = subprocess.run([sys.executable, "docker/answers.py", url], cwd=PROJECT, capture_output=True, text=True)
        if status:
            thread.join()
    assert asked.returncode == code
    assert (url in asked.stderr) == bool(code)
