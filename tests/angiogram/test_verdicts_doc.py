"""docs/verdicts.md is a test: each edit is made, each command run, its words and its exit code are those of the row."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import KafkaProducer

from angiogram.core.findings import FindingKind
from ingestion.message.stamp import SIGNATURE_HEADER
from ingestion.settings import KafkaSettings
from ingestion.topic.producer import MessageProducer
from sandbox.services import Sandbox
from tests.angiogram.coffee_shop import copied
from tests.angiogram.conftest import ANGIOGRAM, Outcome
from tests.angiogram.conftest import command as run_command
from tests.dbt.project import DbtProject
from tests.services import new_database, new_topic

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
CTRL_C = "Ctrl-C as soon as it says its run ID"
HELD = "an open transaction holds messages back"
FORGED = "a message whose dye headers do not verify lies on the topic"


@dataclass(frozen=True)
class Row:
    """A row of one of the tables with commands."""

    finding: str
    edit: str
    command: str
    prints: str
    code: int

    def __str__(self) -> str:
        return f"{self.command}, {self.edit}, {self.finding}"


def rows(heading: str) -> list[Row]:
    """The rows of the table below a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("| \n").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [Row(kind, edit, *(cell.strip("`") for cell in told), int(code)) for kind, edit, *told, code in lines[2:]]


FROM_SEEDS, LIVE = rows("From the seeds"), rows("Live")


def test_every_kind_of_finding_and_every_exit_code_has_a_row() -> None:
    assert {row.finding for row in (*FROM_SEEDS, *LIVE)} == {*FindingKind, "none"}
    assert {row.code for row in (*FROM_SEEDS, *LIVE)} == {0, 1, 2, 130}


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    """A database of the module's own, to which PGDATABASE points."""
    with new_database() as name:
        yield name


@pytest.mark.parametrize("row", FROM_SEEDS, ids=str)
def test_from_the_seeds(row: Row, database: str, tmp_path: Path) -> None:
    shop = DbtProject(tmp_path / "coffee_shop")
    copied(shop.folder)
    if changed := re.fullmatch(r"in `([^`]+)`, `([^`]+)` becomes `([^`]+)`", row.edit):
        shop.replace(*changed.groups())
    elif deleted := re.fullmatch(r"`([^`]+)` is deleted", row.edit):
        (shop.folder / deleted[1]).unlink()
    else:
        assert row.edit == "nothing"
    place = str(shop.folder)
    places = {"DBT_PROJECT_DIR": place, "DBT_PROFILES_DIR": place, "DBT_TARGET_PATH": f"{place}/target"}
    agrees(row, told(row.command, **places, DBT_LOG_PATH=place))


def test_live(pipeline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_database(), new_topic():
        for row in LIVE:
            if row.edit == FORGED:
                with MessageProducer() as producer:
                    producer.publish(b"{}", None, [("dye-run-id", b"none"), (SIGNATURE_HEADER, b"0" * 64)])
            with open_transaction() if row.edit == HELD else nullcontext():
                agrees(row, interrupted(row.command) if row.edit == CTRL_C else told(row.command))


@contextmanager
def open_transaction() -> Iterator[None]:
    """On each partition of the topic, a message of a transaction that does not end before the block does."""
    kafka = KafkaSettings.from_environment()
    with closing(KafkaProducer(**kafka.client_options(), transactional_id=kafka.topic)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        for partition in producer.partitions_for(kafka.topic):
            producer.send(kafka.topic, value=b"{}", partition=partition).get(timeout=30)
        yield
        producer.abort_transaction()


def agrees(row: Row, outcome: Outcome) -> None:
    """Whether a command did what its row says; the kind of a finding is printed after its text."""
    printed = outcome.stdout + outcome.stderr
    assert outcome.code == row.code, printed
    assert row.prints in printed, printed
    named = set(re.findall(r"\[(\w+)\]", outcome.stdout)) & set(FindingKind)
    assert row.command.endswith("status") or named == ({row.finding} - {"none"}), printed


def told(command: str, **variables: str) -> Outcome:
    """Run a command as a shell would."""
    words = shlex.split(command)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    assert words.pop(0) == "angiogram"
    return run_command(*words, environment={**os.environ, **variables})


def interrupted(command: str) -> Outcome:
    """Run a command and press Ctrl-C as soon as it says its run id."""
    words = [*ANGIOGRAM, *shlex.split(command)[1:]]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(line.startswith("Run ") for line in process.stderr)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=300)
    return Outcome(process.returncode, printed, said)
