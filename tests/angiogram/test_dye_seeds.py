"""The input seeds of the dye: well formed, named, spread over the partitions, and sent as they are written."""

import json
import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from kafka.partitioner.default import murmur2

from angiogram.core.errors import SeedError
from angiogram.dbt.seeds.dye_seeds import expected_folder
from angiogram.dye.seeds import (
    UNKNOWN_FIELDS,
    DyeMessage,
    MalformedMessage,
    dye_messages,
    has_dye,
    malformed_of,
    message_columns,
    message_value,
    messages_of,
    read_dye,
    read_malformed,
)
from ingestion.message.rows import NotStorable, Reason, encoder
from taxi.calculation.models import staged_ride
from taxi.contract import CONTRACT
from tests.angiogram.edits import edit
from tests.ingestion.support import copy_columns

PARTITIONS = 4
RIDES = read_dye()
COLUMNS = message_columns(CONTRACT)
MALFORMED = read_malformed()


def partition_of(ride: DyeMessage) -> int | None:
    """Where kafka-python's default partitioner puts a ride; None for one without a key."""
    taxi_id: object = ride.fields["taxi_id"]
    key = CONTRACT.key(taxi_id)
    return None if key is None else (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def stored_columns(value: bytes) -> list[str | None]:
    """What the loader's line of COPY means to PostgreSQL."""
    return copy_columns(encoder(CONTRACT.fields).columns(value))


def test_numbers_are_consecutive_and_batches_follow_each_other() -> None:
    assert [ride.number for ride in RIDES] == list(range(1, len(RIDES) + 1))
    batches = [ride.batch for ride in RIDES]
    assert batches == sorted(batches)
    assert set(batches) == {1, 2}
    assert [letter.number for letter in MALFORMED] == list(range(9001, 9001 + len(MALFORMED)))


def test_every_ride_has_a_name_of_its_own_and_says_why_it_is_there() -> None:
    names = [ride.name for ride in RIDES] + [letter.name for letter in MALFORMED]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert [ride.name for ride in RIDES if not ride.why.endswith(".")] == []


def test_no_field_is_one_that_dbt_reads_as_null() -> None:
    """dbt takes the word null for null, and so does it take a no-break space alone."""
    texts = [text for ride in RIDES for text in ride.fields.values() if text]
    assert [text for text in texts if text.strip().lower() == "null" or text.strip("\u00a0") == ""] == []


@pytest.mark.parametrize("batch", [1, 2])
def test_each_batch_reaches_every_partition(batch: int) -> None:
    reached = {partition_of(ride) for ride in RIDES if ride.batch == batch}
    assert reached >= set(range(PARTITIONS))


def test_there_are_many_taxis() -> None:
    assert len({ride.fields["taxi_id"] for ride in RIDES}) >= 20


def test_versions_with_the_same_time_share_their_key() -> None:
    """Otherwise the partition would say which one wins, and that depends on how many partitions there are."""
    keys: dict[tuple[str, datetime], set[str | None]] = {}
    for ride in map(staged_ride, dye_messages(RIDES)):
        if ride.ride_id and ride.message_at:
            keys.setdefault((ride.ride_id, ride.message_at), set()).add(ride.message.fields["taxi_id"])
    assert [version for version, taxis in keys.items() if len(taxis) > 1] == []


@pytest.mark.parametrize("field", CONTRACT.fields)
def test_each_field_is_left_out_once_and_null_once(field: str) -> None:
    absent = {ride.number % 2 for ride in RIDES if ride.fields[field] is None}
    assert absent == {0, 1}
    for ride in RIDES:
        if ride.fields[field] is None:
            assert (field in json.loads(message_value(ride))) == (ride.number % 2 == 0)


@pytest.mark.parametrize("ride", RIDES, ids=lambda ride: ride.name)
def test_the_loader_stores_a_ride_as_the_seed_writes_it(ride: DyeMessage) -> None:
    value = message_value(ride)
    assert stored_columns(value) == [ride.fields[name] for name in (*CONTRACT.fields, UNKNOWN_FIELDS)]
    assert message_value(ride) == value


@pytest.mark.parametrize("ride", RIDES, ids=lambda ride: ride.name)
def test_only_json_fields_are_anything_but_strings(ride: DyeMessage) -> None:
    message = json.loads(message_value(ride))
    other = {name for name in CONTRACT.fields if not isinstance(message.get(name), str | None)}
    assert other == ride.json_fields


@pytest.mark.parametrize("letter", MALFORMED, ids=lambda letter: letter.name)
def test_the_loader_names_the_reason_of_each_malformed_message(letter: MalformedMessage) -> None:
    with pytest.raises(NotStorable) as caught:
        encoder(CONTRACT.fields).columns(letter.value)
    assert caught.value.reason == letter.reason


def test_the_malformed_messages_show_every_reason_but_depth() -> None:
    """too_deep depends on how deep the loader itself stands, so the dye leaves it to the loader's tests."""
    assert {letter.reason for letter in MALFORMED} == set(Reason) - {Reason.TOO_DEEP}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        pytest.param({"ride_number": "first"}, "ride_number", id="ride-number"),
        pytest.param({"batch": "3"}, "batch", id="batch"),
        pytest.param({"sent_at": "yesterday"}, "sent_at", id="sent-at"),
        pytest.param({"json_fields": "fare"}, "fare", id="json-fields"),
        pytest.param({"unknown_fields": "tip"}, "unknown_fields", id="unknown-fields"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: dict[str, str], complaint: str) -> None:
    good = {"ride_number": "1", "batch": "1", "ride_name": "one", "sent_at": "2026-06-01T08:00:00Z"}
    values = dict.fromkeys(COLUMNS, "") | good | row
    path = tmp_path / "dye_rides.csv"
    path.write_text(",".join(COLUMNS) + "\n" + ",".join(values.values()) + "\n")
    with pytest.raises(SeedError, match=complaint):
        messages_of(path, CONTRACT)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(",".join(COLUMNS).encode() + b'\n"open', "not CSV in UTF-8", id="open-quote"),
        pytest.param(",".join(COLUMNS).encode() + b"\n\xe9", "not CSV in UTF-8", id="latin-1"),
        pytest.param(",".join(COLUMNS).encode() + b"\n", "has no rows", id="header-alone"),
        pytest.param(b"", "are None", id="empty"),
    ],
)
def test_a_seed_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "dye_rides.csv"
    path.write_bytes(content)
    with pytest.raises(SeedError, match=f"{path}.*{complaint}"):
        messages_of(path, CONTRACT)


def test_the_dye_is_where_dbt_finds_its_seeds(project_copy: Path) -> None:
    """The manifest knows a seed by its name: so does whatever sends it. Its folder is free."""
    edit(project_copy / "dbt_project.yml", "seed-paths: [seeds]", "seed-paths: [data, seeds]")
    (project_copy / "data" / "rides").mkdir(parents=True)
    (project_copy / "seeds" / "angiogram" / "input").rename(project_copy / "data" / "rides" / "input")
    (project_copy / "seeds" / "angiogram" / "expected").rename(project_copy / "data" / "known")
    assert has_dye(project_copy)
    assert (read_dye(project_copy), read_malformed(project_copy)) == (RIDES, MALFORMED)
    assert expected_folder(project_copy) == project_copy / "data" / "known"


def test_a_seed_that_is_there_twice_or_not_at_all_is_named(project_copy: Path) -> None:
    """dbt refuses two seeds of one name, wherever they are."""
    seed = project_copy / "seeds" / "angiogram" / "input" / "dye_rides.csv"
    shutil.copy(seed, project_copy / "seeds")
    with pytest.raises(SeedError, match=r"more than one file: .*/dye_rides.csv, .*/dye_rides.csv"):
        read_dye(project_copy)
    seed.unlink()
    assert read_dye(project_copy) == RIDES
    (project_copy / "seeds" / "dye_rides.csv").unlink()
    assert not has_dye(project_copy)
    with pytest.raises(SeedError, match=f"dye_rides.csv is missing below {project_copy}/seeds"):
        read_dye(project_copy)


def test_an_absent_seed_and_wrong_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="is missing"):
        messages_of(tmp_path / "dye_rides.csv", CONTRACT)
    (tmp_path / "dye_malformed.csv").write_text("ride_number,name\n9001,one\n")
    with pytest.raises(SeedError, match="columns"):
        malformed_of(tmp_path / "dye_malformed.csv", CONTRACT)
