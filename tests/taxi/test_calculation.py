"""The expected seeds are what the rules make of the dye: facts worked out by hand, and sums that must hold."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from shutil import copytree

import pytest

from angiogram.core.errors import SeedError
from angiogram.dbt.seeds.seed_text import Row, differing_files, expected_seeds, seed_value, write_expected
from angiogram.dye.seeds import StoredMessage, dye_messages, read_dye
from taxi.calculation import COLUMNS, expected_tables, last_day, read_reference, rules
from taxi.calculation.__main__ import main
from tests.angiogram.test_dye_seeds import PARTITIONS, RIDES, partition_of

PROJECT = Path(__file__).parents[2] / "dbt_project"
SEEDS = PROJECT / "seeds"
REFERENCE = read_reference(SEEDS / "reference")
LAST_DAY = date(2027, 12, 31)
TABLES = expected_tables(dye_messages(RIDES), REFERENCE, LAST_DAY)
EXPECTED = expected_seeds(COLUMNS, TABLES)
NAMES = {str(ride.number): ride.name for ride in RIDES}

ALL_MISSING = "missing_taxi,missing_passenger,missing_start,missing_end,missing_fare,missing_tax,unknown_currency"
ALL_UNREADABLE = "unreadable_start,unreadable_end,unreadable_fare,unreadable_tax"
REASONS = {
    "jeep-1970": "start_before_2024",
    "jeep-without-passenger": "missing_passenger",
    "jeep-negative-fare": "negative_fare,negative_tax",
    "all-fields-null": ALL_MISSING,
    "no-fields-at-all": ALL_MISSING,
    "missing-taxi-empty": "missing_taxi",
    "missing-start": "missing_start",
    "yesterday": "unreadable_start",
    "missing-end": "missing_end",
    "bare-date": "unreadable_end",
    "start-a-microsecond-before-2024": "start_before_2024",
    "start-24-hours-and-a-microsecond-ahead": "start_in_future",
    "end-a-microsecond-before-start": "end_before_start",
    "missing-fare": "missing_fare",
    "fare-infinity": "unreadable_fare",
    "fare-just-below-zero": "negative_fare",
    "missing-tax": "missing_tax",
    "tax-with-a-dollar-sign": "unreadable_tax",
    "tax-just-below-zero": "negative_tax",
    "unknown-currency": "unknown_currency",
    "franc-a-day-early": "no_exchange_rate",
    "start-end-and-both-amounts-unreadable": ALL_UNREADABLE,
    "days-that-no-calendar-has": ALL_UNREADABLE,
    "seven-digits": ALL_UNREADABLE,
    "zones-out-of-shape": f"{ALL_UNREADABLE},unknown_currency",
    "other-digits-and-no-break-spaces": f"{ALL_UNREADABLE},unknown_currency",
    "wrong-types": f"{ALL_UNREADABLE},unknown_currency",
    "future-and-backwards": "start_in_future,end_before_start,missing_tax",
    "rejected-then-corrected": "negative_fare",
    "correction-with-negative-tax": "negative_tax",
    "late-and-rejected": "missing_passenger",
    "small-t-between-date-and-time": ALL_UNREADABLE,
    "year-of-five-digits": ALL_UNREADABLE,
    "second-60-and-hour-24": ALL_UNREADABLE,
    "letter-before-fraction": "unreadable_start,unreadable_end",
    "correction-without-a-time": "no_message_time",
}
RULES = (
    "missing_taxi",
    "missing_passenger",
    "missing_start",
    "unreadable_start",
    "missing_end",
    "unreadable_end",
    "start_before_2024",
    "start_in_future",
    "end_before_start",
    "missing_fare",
    "unreadable_fare",
    "negative_fare",
    "missing_tax",
    "unreadable_tax",
    "negative_tax",
    "unknown_currency",
    "no_exchange_rate",
    "no_message_time",
)
SUPERSEDED = {
    "tie-first",
    "corrected",
    "corrected-zipcode-and-currency",
    "older-but-late",
    "repeated",
    "sent-twice",
}


def accepted(name: str) -> Row:
    """The row of fct_rides that a ride's message won."""
    [row] = [row for row in TABLES["fct_rides"] if NAMES[str(row["message_id"])] == name]
    return row


def daily(**key: object) -> list[Row]:
    return [row for row in TABLES["daily_revenue"] if all(row[column] == value for column, value in key.items())]


def test_the_stored_seeds_are_what_the_calculation_gives() -> None:
    """If this fails: `python -m taxi.calculation`, and look at what changed before you commit it."""
    assert differing_files(SEEDS / "angiogram" / "expected", EXPECTED) == []
    assert last_day(PROJECT) == LAST_DAY
    assert main(["--check"]) == 0


def test_rejected_rides_and_their_reasons() -> None:
    rejected = {NAMES[str(row["message_id"])]: row["rejection_reasons"] for row in TABLES["fct_rejected_rides"]}
    assert rejected == REASONS


@pytest.mark.parametrize("reason", RULES)
def test_every_reason_occurs_alone(reason: str) -> None:
    assert reason in {row["rejection_reasons"] for row in TABLES["fct_rejected_rides"]}


def test_reasons_keep_the_order_of_the_rules_and_are_no_others() -> None:
    for row in TABLES["fct_rejected_rides"]:
        reasons = str(row["rejection_reasons"]).split(",")
        assert reasons == [rule for rule in RULES if rule in reasons]


def test_every_message_is_accepted_superseded_or_rejected() -> None:
    winners = {NAMES[str(row["message_id"])] for row in TABLES["fct_rides"]}
    assert winners | SUPERSEDED | REASONS.keys() == set(NAMES.values())
    assert len(winners) + len(SUPERSEDED) + len(REASONS) == len(RIDES)


def test_the_two_good_jeeps_make_20_40() -> None:
    [row] = [row for row in TABLES["revenue_by_car_model"] if row["car_model"] == "Jeep"]
    assert row == {
        "car_model": "Jeep",
        "currency": "USD",
        "ride_count": 2,
        "fare_amount": Decimal("20.20"),
        "tax_amount": Decimal("0.20"),
        "revenue_amount": Decimal("20.40"),
        "revenue_usd_amount": Decimal("20.40"),
    }


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("second-before-midnight", date(2025, 6, 30)),
        ("midnight", date(2025, 7, 1)),
        ("signed-and-padded-amounts", date(2024, 2, 29)),
        ("free-ride-of-no-length", date(2024, 8, 1)),
        ("start-24-hours-ahead", date(2026, 6, 2)),
    ],
)
def test_trip_dates_are_days_in_utc(name: str, day: date) -> None:
    assert accepted(name)["trip_date"] == day


@pytest.mark.parametrize(
    ("name", "usd"),
    [
        ("second-before-midnight", "30.5888"),  # 44 times 0.6952
        ("midnight", "32.2564"),  # 44 times 0.7331
        ("franc-on-its-first-day", "55.4576"),  # 44 times 1.2604
        ("half-a-cent", "23.925000"),  # 3750 times 0.006380
        ("sixteen-digits-and-four-decimals", "11234567890123456.7890"),
        ("a-tenth-and-two-tenths", "0.32220"),  # 0.3 times 1.0740
        ("signed-and-padded-amounts", "7.5"),
        ("free-ride-of-no-length", "0"),
    ],
)
def test_dollars_of_a_ride_are_exact(name: str, usd: str) -> None:
    assert accepted(name)["revenue_usd_amount"] == Decimal(usd)


@pytest.mark.parametrize(
    ("day", "usd"),
    [
        (date(2026, 5, 1), "23.93"),  # 23.925
        (date(2026, 7, 2), "0.01"),  # 0.0032125 twice: rounded ride by ride it would be 0.00
    ],
)
def test_dollars_are_rounded_once_a_day_and_halves_up(day: date, usd: str) -> None:
    assert [row["revenue_usd_amount"] for row in daily(trip_date=day)] == [Decimal(usd)]


def test_totals_add_up_the_rounded_dollars() -> None:
    """California in JPY: the days make 23.93 + 0.01; unrounded they would make 23.931425."""
    [california] = [
        r for r in TABLES["revenue_by_state"] if (r["pickup_state"], r["currency"]) == ("California", "JPY")
    ]
    assert california["revenue_usd_amount"] == Decimal("23.94")
    assert california["revenue_amount"] == Decimal("3751.0")


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("utah-toyota", "pickup_state", "Utah"),
        ("unmapped-zipcode", "pickup_state", "UNKNOWN"),
        ("unmapped-zipcode", "pickup_zipcode", "99999"),
        ("unmapped-zipcode", "car_model", "Tesla Model 3"),
        ("other-passenger-and-four-digit-zipcode", "pickup_zipcode", None),
        ("other-passenger-and-four-digit-zipcode", "dropoff_zipcode", None),
        ("other-taxi-and-nine-digit-zipcode", "pickup_zipcode", None),
        ("car-model-and-zipcodes-missing", "pickup_state", "UNKNOWN"),
        ("car-model-and-zipcodes-missing", "car_model", "UNKNOWN"),
        ("a-tenth-and-two-tenths", "revenue_amount", Decimal("0.3")),
        ("a-tenth-and-two-tenths", "pickup_state", "New York"),
        ("a-tenth-and-two-tenths", "taxi_id", "16"),
        ("a-tenth-and-two-tenths", "pax_id", '{"id": 56}'),
        ("a-tenth-and-two-tenths", "car_model", "911"),
        ("white-space-all-around", "car_model", "Nissan NV200"),
        ("white-space-all-around", "currency", "CAD"),
        ("white-space-all-around", "taxi_id", "T-34"),
        ("text-that-loaders-trip-over", "pax_id", "\\N"),
        ("text-that-loaders-trip-over", "taxi_id", "Такси-19 🚕"),
        ("text-that-loaders-trip-over", "car_model", "O'Brien's  Škoda 日本, \"{{ x }}\" \\t 100%s"),
        ("free-ride-of-no-length", "ended_at", datetime(2024, 8, 1, 18, 1, tzinfo=UTC)),
        ("start-of-2024", "started_at", datetime(2024, 1, 1, tzinfo=UTC)),
        ("tie-second", "fare_amount", Decimal("51.00")),
        ("newest-before-older", "fare_amount", Decimal("64.00")),
        ("valid-correction", "fare_amount", Decimal("6600")),
        # printf T-01-P-01-2024-03-04T08:00:00.000000Z | md5sum
        ("ordinary-benz", "ride_id", "b5bf80c93ae26093706ae16fad546e71"),
    ],
)
def test_cells_of_accepted_rides(name: str, column: str, value: object) -> None:
    assert accepted(name)[column] == value


def test_corrections_move_rides_between_groups() -> None:
    [illinois] = daily(trip_date=date(2025, 12, 29), pickup_state="Illinois")
    assert (illinois["car_model"], illinois["revenue_amount"]) == ("Nissan NV200", Decimal("77.00"))  # Toyota Camry, 66
    [massachusetts] = daily(trip_date=date(2026, 5, 11), pickup_state="Massachusetts")
    assert (massachusetts["currency"], massachusetts["revenue_amount"]) == ("EUR", Decimal("67.10"))
    [arizona] = daily(trip_date=date(2026, 5, 11), pickup_state="Arizona")
    assert arizona["revenue_amount"] == Decimal("70.40") + Decimal("73.70")  # without the one that moved


def test_a_day_that_ends_the_week_year() -> None:
    assert TABLES["dim_dates"][0] == {
        "date_day": date(2024, 1, 1),
        "year": 2024,
        "quarter": 1,
        "month": 1,
        "day_of_month": 1,
        "iso_week": 1,
        "iso_weekday": 1,
        "is_weekend": False,
    }
    days = {row["date_day"]: row for row in TABLES["dim_dates"]}
    assert len(days) == 366 + 3 * 365
    assert (days[date(2025, 12, 29)]["iso_week"], days[date(2025, 12, 29)]["quarter"]) == (1, 4)
    assert (days[date(2027, 1, 3)]["iso_week"], days[date(2027, 1, 3)]["is_weekend"]) == (53, True)


def test_the_order_of_messages_changes_nothing() -> None:
    backwards = expected_tables(reversed(dye_messages(RIDES)), REFERENCE, LAST_DAY)
    for model, rows in TABLES.items():
        assert sorted(map(repr, backwards[model])) == sorted(map(repr, rows)), model


def test_places_on_the_topic_change_nothing() -> None:
    """Spread over real partitions the dye gives the same rows as straight from the seed."""
    spread = [
        StoredMessage(
            message_id=message.message_id,
            message_at=message.message_at,
            partition=ride.number % PARTITIONS if (partition := partition_of(ride)) is None else partition,
            offset=1000 + ride.number,
            fields=message.fields,
        )
        for ride, message in zip(RIDES, dye_messages(RIDES), strict=True)
    ]
    assert expected_tables(spread, REFERENCE, LAST_DAY) == TABLES


def test_batch_2_changes_every_model_that_rides_reach() -> None:
    before = expected_tables(dye_messages(ride for ride in RIDES if ride.batch == 1), REFERENCE, LAST_DAY)
    reference = {"zipcodes", "exchange_rates", "car_models"}
    assert {model for model in COLUMNS if before[model] == TABLES[model]} == {"dim_dates", "dim_zipcodes"} | reference


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("nissan\rnv 200", "nissan<CR>nv 200"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (Decimal("-0"), "0"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), "1000"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC), "2024-02-29T01:02:03Z"),
        (datetime(2024, 2, 29, 1, 2, 3, 450000, tzinfo=UTC), "2024-02-29T01:02:03.450000Z"),
    ],
    ids=repr,
)
def test_values_as_seeds_write_them(value: str | None, text: str) -> None:
    assert seed_value(value) == text


def test_differing_seeds_are_named(tmp_path: Path) -> None:
    write_expected(tmp_path, EXPECTED)
    assert differing_files(tmp_path, EXPECTED) == []
    changed, absent, of_no_model = (
        tmp_path / f"expected__{model}.csv" for model in ("fct_rides", "dim_dates", "fct_lost")
    )
    changed.write_text(changed.read_text().replace("20.24", "20.25"))
    absent.unlink()
    of_no_model.write_text("message_id\n")
    assert differing_files(tmp_path, EXPECTED) == sorted([changed, absent, of_no_model])


def test_the_command_says_which_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copytree(SEEDS, tmp_path / "seeds")
    for name in ("dbt_project.yml", "angiogram.yml"):
        (tmp_path / name).write_text((PROJECT / name).read_text())
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    stored = tmp_path / "seeds" / "angiogram" / "expected" / "expected__dim_zipcodes.csv"
    original = stored.read_bytes()
    stored.write_bytes(original.replace(b"Utah", b"Ohio"))
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == f"{stored}\n"
    assert main([]) == 0
    assert stored.read_bytes() == original
    (tmp_path / "seeds" / "reference" / "zipcodes.csv").unlink()
    assert main(["--check"]) == 2
    assert "zipcodes.csv is missing" in capsys.readouterr().err


def test_a_project_without_a_last_day_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("vars: {}\n")
    with pytest.raises(SeedError, match="last_day"):
        last_day(tmp_path)


def test_read_dye_gives_the_rides_that_these_tests_use() -> None:
    assert read_dye() == RIDES


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:00:00-02:00"])
def test_a_moment_that_python_cannot_count_is_an_error_not_a_wrong_row(text: str) -> None:
    with pytest.raises(SeedError, match="outside the years"):
        rules.instant(text)
