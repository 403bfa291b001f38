"""Files of rides against a real database: what each format's values become."""

import csv
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2.extensions import connection

from ingestion.bulk.reading.files import day_named
from ingestion.bulk.run import bulk_load
from taxi.contract import CONTRACT
from tests.ingestion.bulk.support import loaded, parquet


def test_every_format_fills_the_same_columns(session: connection, tmp_path: Path) -> None:
    ride = dict.fromkeys(CONTRACT.fields, "x") | {"fare_amount": "12.50", "unheard_of": "yes"}
    parquet(tmp_path / "a.parquet", **{name: [value] for name, value in ride.items()})
    with (tmp_path / "b.csv").open("w", newline="") as file:
        csv.writer(file).writerows([ride.keys(), ride.values()])
    (tmp_path / "c.ndjson").write_text(json.dumps(ride, separators=(",", ":")) + "\n")
    before = datetime.now(UTC)
    report = bulk_load(tmp_path)
    assert (report.found, report.loaded, report.rows, report.dead_letters, report.bad_files) == (3, 3, 3, 0, {})
    rows = loaded(session, f'{", ".join(CONTRACT.fields)}, unknown_fields, topic, "partition", "offset"')
    fields = tuple(ride[name] for name in CONTRACT.fields)
    assert rows == [
        (*fields, '{"unheard_of":"yes"}', f"file:{name}", 0, 0) for name in ("a.parquet", "b.csv", "c.ndjson")
    ]
    assert all(before <= at <= datetime.now(UTC) for (at,) in loaded(session, "message_at"))


def test_bad_lines_of_ndjson_are_dead_letters_beside_their_neighbours(session: connection, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(
        b'{"taxi_id": "t1"}\n\nnot json\n[1]\n{"taxi_id": "\\u0000"}\n{"fare_amount": 1e2}'
    )
    report = bulk_load(tmp_path)
    assert (report.rows, report.dead_letters) == (2, 4)
    assert loaded(session, 'taxi_id, fare_amount, "offset"') == [("t1", None, 0), (None, "1e2", 5)]
    letters = [
        (bytes(value), reason, offset)
        for value, reason, offset in loaded(session, 'value, reason, "offset"', "dead_letters")
    ]
    assert letters == [
        (b"", "empty", 1),
        (b"not json", "not_json", 2),
        (b"[1]", "not_an_object", 3),
        (b'{"taxi_id": "\\u0000"}', "nul_character", 4),
    ]


def test_text_of_csv_arrives_as_it_stands(session: connection, tmp_path: Path) -> None:
    """Nothing between two commas is null, "" is an empty text, as in COPY."""
    texts = [" 12.50 ", "1e2", "null", "\\N", 'say "hi"', "a,b", "two\nlines", "é€😀", "\\", "\t"]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        file.write("\ufefftaxi_id,fare_amount\n")
        writer.writerows(("t", text) for text in texts)
        file.write('t,\nt,""\n')
    bulk_load(tmp_path)
    assert [text for (text,) in loaded(session, "fare_amount")] == [*texts, None, ""]


def test_what_postgresql_cannot_store_is_a_dead_letter(session: connection, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"taxi_id,pax_id\nt0,p0\nt1,\xff\nt2,p\x00\nt3,p3\n")
    parquet(tmp_path / "b.parquet", taxi_id=["t0", "a\x00b", "t2"])
    report = bulk_load(tmp_path)
    assert (report.rows, report.dead_letters) == (4, 3)
    assert loaded(session, 'taxi_id, "offset"') == [("t0", 0), ("t3", 3), ("t0", 0), ("t2", 2)]
    letters = [(bytes(value), reason) for value, reason in loaded(session, "value, reason", "dead_letters")]
    assert letters == [
        (b'{"taxi_id":"t1","pax_id":"\xff"}', "invalid_utf8"),
        (b'{"taxi_id":"t2","pax_id":"p\\u0000"}', "nul_character"),
        (b'{"taxi_id":"a\\u0000b"}', "nul_character"),
    ]


NOON = datetime(2026, 1, 2, 12, 30, 15, 250000)  # noqa: DTZ001  # a column without a zone

TYPED = {
    "decimal": (pa.array([Decimal("12.50")], pa.decimal128(12, 2)), "12.50"),
    "long-decimal": (pa.array([Decimal("12345678901234567.89")], pa.decimal128(30, 2)), "12345678901234567.89"),
    "double": (pa.array([0.1]), "0.1"),
    "double-17-digits": (pa.array([0.1 + 0.2]), "0.30000000000000004"),
    "integer": (pa.array([9007199254740993]), "9007199254740993"),
    "boolean": (pa.array([True]), "true"),
    "date": (pa.array([date(2026, 1, 2)]), "2026-01-02"),
    "time-without-zone": (pa.array([NOON], pa.timestamp("us")), "2026-01-02T12:30:15.250000"),
    "milliseconds": (pa.array([1767357015000], pa.timestamp("ms")), "2026-01-02T12:30:15.000"),
    "time-in-utc": (pa.array([NOON], pa.timestamp("ms", "UTC")), "2026-01-02T12:30:15.250Z"),
    "time-elsewhere": (pa.array([NOON], pa.timestamp("us", "America/New_York")), "2026-01-02T12:30:15.250000Z"),
    "empty-nanoseconds": (pa.array([1767357015000001000], pa.timestamp("ns")), "2026-01-02T12:30:15.000001"),
    "nanoseconds": (pa.array([1767357015000000001], pa.timestamp("ns")), "2026-01-02T12:30:15.000000001"),
    "dictionary": (pa.array(["Jeep"]).dictionary_encode(), "Jeep"),
    "large-text": (pa.array(["x"], pa.large_string()), "x"),
    "bytes": (pa.array([b"x"]), "x"),
    "uuid": (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID(int=7).bytes], pa.binary(16))),
        "00000000-0000-0000-0000-000000000007",
    ),
    "json": (
        pa.ExtensionArray.from_storage(pa.json_(pa.string()), pa.array(['{"a": 1, "b": "x"}'])),
        '{"a": 1, "b": "x"}',
    ),
    "duration": (pa.array([timedelta(seconds=5)]), "PT5S"),
    "list": (pa.array([['a"b', "c"]]), '["a\\"b","c"]'),
    "null": (pa.nulls(1), None),
}


@pytest.mark.parametrize(("column", "text"), TYPED.values(), ids=TYPED.keys())
def test_typed_columns_keep_their_digits(session: connection, tmp_path: Path, column: pa.Array, text: str) -> None:
    parquet(tmp_path / "a.parquet", taxi_id=["t1"], fare_amount=column)
    assert bulk_load(tmp_path).bad_files == {}
    assert loaded(session, "taxi_id, fare_amount") == [("t1", text)]


def test_one_value_of_nanoseconds_leaves_its_neighbours_their_digits(session: connection, tmp_path: Path) -> None:
    """Nine digits are what the models cannot read: only the value that has them gets them."""
    times = pa.array([1767357015000001000, 1767357015000000001, None], pa.timestamp("ns"))
    parquet(tmp_path / "a.parquet", taxi_id=["t0", "t1", "t2"], start_time=times)
    bulk_load(tmp_path)
    assert [at for (at,) in loaded(session, "start_time")] == [
        "2026-01-02T12:30:15.000001",
        "2026-01-02T12:30:15.000000001",
        None,
    ]


def test_old_times_of_parquet_keep_their_year_and_their_digits(session: connection, tmp_path: Path) -> None:
    """INT96 reaches from long ago to far ahead; nanoseconds, as which Arrow reads it, only from 1677 to 2262."""
    early_and_late = [datetime(1000, 1, 1), datetime(2026, 1, 2, 12, 30, 15, 250000), datetime(9999, 12, 31), None]  # noqa: DTZ001
    pq.write_table(
        pa.table({"taxi_id": ["t0", "t1", "t2", "t3"], "start_time": pa.array(early_and_late, pa.timestamp("us"))}),
        tmp_path / "a.parquet",
        use_deprecated_int96_timestamps=True,
    )
    pq.write_table(
        pa.table({"taxi_id": ["t0"], "note": pa.array([1767357015000000001], pa.timestamp("ns"))}),
        tmp_path / "b.parquet",
        use_deprecated_int96_timestamps=True,
    )
    assert bulk_load(tmp_path).bad_files == {}
    assert loaded(session, "start_time, unknown_fields") == [
        ("1000-01-01T00:00:00.000000", None),
        ("2026-01-02T12:30:15.250000", None),
        ("9999-12-31T00:00:00.000000", None),
        (None, None),
        (None, '{"note":"2026-01-02T12:30:15.000000001"}'),
    ]


@pytest.mark.parametrize("inside", [True, False], ids=["quoted", "line-end"])
def test_a_cr_lf_across_two_blocks_of_csv_stays_whole(session: connection, tmp_path: Path, inside: bool) -> None:
    """Arrow reads blocks of 1 MiB; the CR is the last byte of the first one."""
    block = 1 << 20
    start = b"taxi_id,pax_id\r\n"
    filler = b"t,p\r\n" * ((block - len(start)) // 5 - 20)
    long = b'long,"' if inside else b"long,"
    long += b"x" * (block - len(start) - len(filler) - len(long) - 1)
    end = b'\r\nbehind"\r\nlast,p\r\n' if inside else b"\r\nlast,p\r\n"
    (tmp_path / "a.csv").write_bytes(start + filler + long + end)
    assert bulk_load(tmp_path).bad_files == {}
    rows = loaded(session, "taxi_id, pax_id")
    assert rows[-1] == ("last", "p")
    assert (rows[-2][0], rows[-2][1][-10:]) == ("long", "xx\r\nbehind" if inside else "x" * 10)
    assert len(rows) == filler.count(b"\n") + 2


FOLDERS = {
    "a-field": ("currency=EUR", ("EUR", None)),
    "another-column": ("region=eu%2Fwest", (None, '{"region":"eu/west"}')),
    "null": ("currency=__HIVE_DEFAULT_PARTITION__", (None, None)),
    "two": ("year=2026/currency=EUR", ("EUR", '{"year":"2026"}')),
    "none": ("EUR", (None, None)),
}


@pytest.mark.parametrize(("folder", "columns"), FOLDERS.values(), ids=FOLDERS.keys())
def test_columns_that_folders_name_are_read(
    session: connection, tmp_path: Path, folder: str, columns: tuple[str | None, str | None]
) -> None:
    """As Hive, Spark and others lay out a table; also where the folder itself is what is loaded."""
    place = tmp_path / folder
    parquet(place / "a.parquet", taxi_id=["t"])
    (place / "b.csv").write_text("taxi_id\nt\n")
    (place / "c.ndjson").write_text('{"taxi_id": "t"}\n{ }\n')
    bulk_load(place)
    assert loaded(session, "currency, unknown_fields", order="topic") == [columns] * 4


def test_a_column_of_the_files_own_counts_before_its_folders(session: connection, tmp_path: Path) -> None:
    place = tmp_path / "currency=EUR"
    parquet(place / "a.parquet", taxi_id=["t"], currency=["USD"])
    (place / "b.csv").write_text("taxi_id,currency\nt,USD\n")
    (place / "c.ndjson").write_text('{"taxi_id": "t", "currency": "USD"}\n')
    bulk_load(tmp_path)
    assert loaded(session, "currency") == [("USD",)] * 3


def test_one_content_under_two_folders_is_two_files(session: connection, tmp_path: Path) -> None:
    for currency in ("EUR", "GBP"):
        parquet(tmp_path / f"currency={currency}" / "a.parquet", taxi_id=["t"])
    assert bulk_load(tmp_path).rows == 2
    assert loaded(session, "currency", order="currency") == [("EUR",), ("GBP",)]
    assert bulk_load(tmp_path / "currency=EUR").already_loaded == 1


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("currency=EUR/currency=GBP", "two of its folders give the column currency"),
        ("currency=%FF", "is not UTF-8"),
        ("currency=%00", "NUL character"),
    ],
    ids=["twice", "not-utf8", "nul"],
)
def test_a_folder_whose_column_cannot_be_read_is_refused(
    session: connection, tmp_path: Path, folder: str, reason: str
) -> None:
    parquet(tmp_path / folder / "a.parquet")
    assert reason in bulk_load(tmp_path).bad_files[f"{folder}/a.parquet"]
    assert loaded(session, "taxi_id") == []


def test_the_same_bytes_under_the_right_ending_are_loaded(session: connection, tmp_path: Path) -> None:
    """What was read in the wrong way before is another file."""
    content = "taxi_id,pax_id\nt1,p1\n"
    (tmp_path / "a.ndjson").write_text(content)
    assert bulk_load(tmp_path).dead_letters == 2
    (tmp_path / "a.ndjson").rename(tmp_path / "a.csv")
    report = bulk_load(tmp_path)
    assert (report.already_loaded, report.rows) == (0, 1)
    assert loaded(session, "taxi_id, pax_id") == [("t1", "p1")]


def test_rows_carry_their_own_time_where_a_column_has_it(session: connection, tmp_path: Path) -> None:
    """So that an older file loaded later does not overwrite a newer correction."""
    sent = ["2026-01-02T12:30:15.25Z", "2026-01-02 12:30:15+02:00", "yesterday", None, "9999-01-01T00:00:00Z"]
    taxis = [f"t{number}" for number in range(len(sent))]
    parquet(tmp_path / "a.parquet", taxi_id=taxis, message_at=sent)
    parquet(tmp_path / "b.parquet", taxi_id=["t0"], message_at=pa.array([NOON], pa.timestamp("us", "UTC")))
    with (tmp_path / "c.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("taxi_id", "message_at"), *zip(taxis, sent, strict=True)])
    (tmp_path / "d.ndjson").write_text(
        "".join(json.dumps({"taxi_id": taxi, "message_at": at}) + "\n" for taxi, at in zip(taxis, sent, strict=True))
        + '{"taxi_id": "t5", "message_at": 5}\n{"message_at": "2026-01-02T12:30:15Z"\n{}\n'
    )
    bulk_load(tmp_path)
    by_file: dict[str, list[datetime | None]] = {}
    with session.cursor() as query:
        query.execute(
            "select topic, case when message_at < (select min(loaded_at) from raw.loaded_files) - interval '1 hour' "
            'then message_at end from raw.taxi_rides order by topic, "offset"'
        )
        for topic, at in query.fetchall():
            by_file.setdefault(topic, []).append(at)
    told = [
        datetime(2026, 1, 2, 12, 30, 15, 250000, UTC),
        datetime(2026, 1, 2, 10, 30, 15, tzinfo=UTC),
        *[None] * 3,
    ]
    assert by_file == {
        "file:a.parquet": told,
        "file:b.parquet": [NOON.replace(tzinfo=UTC)],
        "file:c.csv": told,
        "file:d.ndjson": [*told, None, None],
    }


def test_another_column_can_be_named_as_the_time(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", taxi_id=["t"], seen=["2026-01-02T12:30:15Z"], message_at=["2025-01-01T00:00:00Z"])
    bulk_load(tmp_path, time_column="seen")
    assert loaded(session, "message_at") == [(datetime(2026, 1, 2, 12, 30, 15, tzinfo=UTC),)]


def test_a_file_of_many_batches_loads_whole_and_in_order(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", 100_000)
    assert bulk_load(tmp_path).rows == 100_000
    with session.cursor() as query:
        query.execute("select count(*) from raw.taxi_rides where taxi_id = 't' || \"offset\" and fare_amount = '12.50'")
        assert query.fetchall() == [(100_000,)]


DAYS = {
    "2026-01-31/rides.parquet": date(2026, 1, 31),
    "2026/01/31/rides.parquet": date(2026, 1, 31),
    "rides_20260131_0815.parquet": date(2026, 1, 31),
    "2026-13-01/2026_01_31.csv": date(2026, 1, 31),
    "120260131.csv": None,
    "rides.csv": None,
}


@pytest.mark.parametrize(("name", "day"), DAYS.items(), ids=DAYS.keys())
def test_the_day_is_the_first_that_the_path_names(name: str, day: date | None) -> None:
    assert day_named(name) == day
