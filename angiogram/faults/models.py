"""Faults in models, reference data and expected data: texts replaced in a copy of the dbt project."""

from dataclasses import dataclass

from angiogram.faults.fault import Fault, Ground

STAGING, CHECKED = "stg_taxi__rides", "int_rides__checked"
_STAGING = f"models/staging/{STAGING}.sql"
_CHECKED = f"models/intermediate/{CHECKED}.sql"
_RIDES = "models/facts/fct_rides.sql"
_REJECTED = "models/facts/fct_rejected_rides.sql"
_DAILY = "models/revenue/daily_revenue.sql"


@dataclass(frozen=True, slots=True)
class _Edit:
    """Texts replaced in one file."""

    path: str
    changes: tuple[tuple[str, str], ...]


def _edit(path: str, *changes: tuple[str, str]) -> _Edit:
    return _Edit(path, changes)


def _fault(name: str, description: str, planted: str | tuple[str, ...], *edits: _Edit) -> Fault:
    def plant(ground: Ground) -> None:
        for edit in edits:
            ground.edit(edit.path, *edit.changes)

    return Fault(name, description, (planted,) if isinstance(planted, str) else planted, plant)


IN_STAGING = [
    _fault("cast-rounds", "Staging rounds amounts to one decimal.", STAGING,
        _edit("macros/readable_amount.sql", ("::numeric end", "::numeric(24, 1) end"))),
    _fault("amounts-as-floats", "Staging casts amounts through floating point.", STAGING,
        _edit("macros/readable_amount.sql", ("::numeric end", "::float8::numeric end"))),
    _fault("text-not-trimmed", "Staging trims blanks alone.", STAGING,
        _edit("macros/trimmed.sql", ("e' \\t\\n\\r\\x0b\\f'", "' '"))),
    _fault("empty-is-not-null", "Staging keeps empty text.", STAGING,
        _edit("macros/trimmed.sql", ("nullif(btrim({{ column }}, e' \\t\\n\\r\\x0b\\f'), '')", "btrim({{ column }}, e' \\t\\n\\r\\x0b\\f')"))),
    _fault("currency-case", "Staging leaves currencies in small letters.", STAGING,
        _edit(_STAGING, ("upper({{ trimmed('currency') }})", "{{ trimmed('currency') }}"))),
    _fault("zip-code-loses-its-zero", "Staging takes zip codes for numbers.", STAGING,
        _edit("macros/readable_zipcode.sql", ("then {{ column }} end", "then ltrim({{ column }}, '0') end"))),
    _fault("times-in-local-zone", "Times without a zone are read as New York's.", STAGING,
        _edit("macros/readable_timestamp.sql", ("then '' else 'Z' end", "then '' else '-05:00' end"))),
    _fault("daylight-saving-hour", "Times without a zone are read as New York's, summer time included.", STAGING,
        _edit("macros/readable_timestamp.sql", ("then '' else 'Z' end", "then '' else ' America/New_York' end"))),
    _fault("staging-forgets-the-partition", "Staging takes what lies beyond the highest offset of all partitions.",
        (STAGING,),
        _edit(_STAGING, ("where {{ beyond_taken('source') }}", "where source_offset > (select max(taken.source_offset) from {{ this }} as taken)"))),
    _fault("two-faults-at-once", "Staging rounds amounts, and the facts leave the tax out.", (STAGING, "fct_rides"),
        _edit("macros/readable_amount.sql", ("::numeric end", "::numeric(24, 1) end")),
        _edit(_RIDES, ("fare_amount + tax_amount as", "fare_amount as"))),
]  # fmt: skip

IN_CHECKED = [
    _fault("rule-dropped", "The rule negative_tax is gone.", CHECKED,
        _edit(_CHECKED, ("case when tax_amount < 0 then 'negative_tax' end,", ""))),
    _fault("rides-of-1970-counted", "The rule start_before_2024 is gone (original demo).", CHECKED,
        _edit(_CHECKED, ("case when started_at < '2024-01-01T00:00:00Z'::timestamptz then 'start_before_2024' end,", ""))),
    _fault("boundary-moved-by-one", "A ride of no length is rejected.", CHECKED,
        _edit(_CHECKED, ("ended_at < started_at", "ended_at <= started_at"))),
    _fault("boundary-of-a-day-moved", "A start exactly 24 hours ahead is rejected.", CHECKED,
        _edit(_CHECKED, ("started_at > message_at + interval", "started_at >= message_at + interval"))),
    _fault("join-loss", "Rides without a known state are lost.", CHECKED,
        _edit(_CHECKED, ("left join zipcodes on", "inner join zipcodes on"))),
    _fault("join-fan-out", "Rides are joined to all rates up to their day.", CHECKED,
        _edit(_CHECKED, ("and (rides_to_take.trip_date < rate_periods.valid_until or rate_periods.valid_until is null)", ""))),
    _fault("rate-a-day-late", "A rate holds from the day after its first.", CHECKED,
        _edit(_CHECKED, ("rides_to_take.trip_date >= rate_periods.valid_from", "rides_to_take.trip_date > rate_periods.valid_from"))),
    _fault("day-boundary-in-local-time", "The trip date is New York's.", CHECKED,
        _edit(_CHECKED, ("at time zone 'UTC'", "at time zone 'America/New_York'"))),
    _fault("null-group-lost", "Rides without a state keep null instead of UNKNOWN.", CHECKED,
        _edit(_CHECKED, ("coalesce(zipcodes.state, 'UNKNOWN')", "zipcodes.state"))),
    _fault("late-rides-not-checked", "The check takes only rides sent after all it has taken.", CHECKED,
        _edit(_CHECKED, ("where {{ beyond_taken('rides') }}", "where message_at > (select max(taken.message_at) from {{ this }} as taken)"))),
]  # fmt: skip

_INDEX = ("        indexes=[{'columns': ['ride_id'], 'unique': true}],\n", "")

IN_FACTS = [
    _fault("tax-left-out", "Revenue is the fare alone (original demo).", "fct_rides",
        _edit(_RIDES, ("fare_amount + tax_amount as", "fare_amount as"))),
    _fault("no-deduplication", "Every version of a ride counts (original demo).", "fct_rides",
        _edit(_RIDES, ("where newness = 1", ""), _INDEX)),
    _fault("duplicate-kept", "Versions sent at the same moment all count.", "fct_rides",
        _edit(_RIDES, ("row_number() over", "rank() over"),
              ("valid_rides.message_at desc,\n                valid_rides.source_partition desc,\n                valid_rides.source_offset desc,\n                valid_rides.source_topic_id desc", "valid_rides.message_at desc"), _INDEX)),
    _fault("older-version-wins", "Of several versions of a ride the first sent counts.", "fct_rides",
        _edit(_RIDES, ("valid_rides.message_at desc,", "valid_rides.message_at asc,"))),
    _fault("late-rides-missed", "The facts take only rides of days they do not have.", "fct_rides",
        _edit(_RIDES, ("where {{ beyond_taken('valid_rides') }}", "where trip_date > (select max(taken.trip_date) from {{ this }} as taken)"))),
    _fault("corrections-added", "Corrections are added to what they correct.", "fct_rides",
        _edit(_RIDES, ("incremental_strategy='delete+insert'", "incremental_strategy='append'"), _INDEX)),
    _fault("facts-fail", "The facts end with a division by zero.", "fct_rides",
        _edit(_RIDES, ("revenue_amount * usd_rate as", "revenue_amount * usd_rate / (fare_amount - fare_amount) as"))),
    _fault("rejected-with-two-reasons-lost", "Rides that break several rules vanish.", "fct_rejected_rides",
        _edit(_REJECTED, ("not is_valid\n", "not is_valid and position(',' in rejection_reasons) = 0\n"))),
    _fault("late-rejected-rides-missed", "Rejected rides of later batches vanish.", "fct_rejected_rides",
        _edit(_REJECTED, ("and {{ beyond_taken('checked_rides') }}", "and false"))),
]  # fmt: skip

IN_MARTS = [
    _fault("unknown-state-left-out", "Rides of the state UNKNOWN are not counted.", "daily_revenue",
        _edit(_DAILY, ("from rides\n    group", "from rides\n    where pickup_state <> 'UNKNOWN'\n    group"))),
    _fault("rounded-too-early", "Dollars are rounded ride by ride.", "daily_revenue",
        _edit(_DAILY, ("round(sum(revenue_usd_amount), 2)", "sum(round(revenue_usd_amount, 2))"))),
    _fault("currencies-mixed", "Amounts of all currencies are added up under one.", "daily_revenue",
        _edit(_DAILY, ("        currency,\n", "        min(currency) as currency,\n"), ("car_model, currency\n", "car_model\n"))),
    _fault("rows-counted-for-rides", "Days are counted, not rides.", "revenue_by_state",
        _edit("models/revenue/revenue_by_state.sql", ("sum(ride_count)::bigint", "count(*)"))),
    _fault("old-days-cut-off", "Days before 2025 are left out.", "revenue_by_date",
        _edit("models/revenue/revenue_by_date.sql", ("from daily_revenue\n    group", "from daily_revenue\n    where trip_date >= '2025-01-01'\n    group"))),
    _fault("wrong-column-added-up", "The tax is shown as the fare.", "revenue_by_car_model",
        _edit("models/revenue/revenue_by_car_model.sql", ("sum(fare_amount) as fare_amount", "sum(tax_amount) as fare_amount"))),
    _fault("first-day-missing", "The calendar begins a day late.", "dim_dates",
        _edit("models/dimensions/dim_dates.sql", ("'2024-01-01'::timestamp", "'2024-01-02'::timestamp"))),
    _fault("weekend-begins-on-friday", "Friday counts as weekend.", "dim_dates",
        _edit("models/dimensions/dim_dates.sql", ("in (6, 7)", "in (5, 6, 7)"))),
    _fault("states-in-capitals", "States are written in capitals.", "dim_zipcodes",
        _edit("models/dimensions/dim_zipcodes.sql", ("        state\n", "        upper(state) as state\n"))),
    _fault("faults-at-both-ends", "The check drops a rule, and a mart counts days.", (CHECKED, "revenue_by_state"),
        _edit(_CHECKED, ("case when tax_amount < 0 then 'negative_tax' end,", "")),
        _edit("models/revenue/revenue_by_state.sql", ("sum(ride_count)::bigint", "count(*)"))),
]  # fmt: skip

IN_SEEDS = [
    _fault("unmapped-10004", "The zip code 10004 is not in the reference data (original demo).", "zipcodes",
        _edit("seeds/reference/zipcodes.csv", ("10004,Utah\n", ""))),
    _fault("state-renamed", "A state changes its name in the reference data.", "zipcodes",
        _edit("seeds/reference/zipcodes.csv", ("10001,Nevada", "10001,Nev."))),
    _fault("stale-rates", "The newest rates are missing.", "exchange_rates",
        _edit("seeds/reference/exchange_rates.csv", ("CAD,2026-01-01,0.7285\n", ""), ("MXN,2026-01-01,0.05558\n", ""))),
    _fault("rate-inverted", "A rate is the wrong way round.", "exchange_rates",
        _edit("seeds/reference/exchange_rates.csv", ("CAD,2025-01-01,0.6952", "CAD,2025-01-01,1.4384"))),
    _fault("car-model-renamed", "The reference spells a car model otherwise.", "car_models",
        _edit("seeds/reference/car_models.csv", ("Tesla Model 3", "Tesla 3"))),
    _fault("expected-seed-out-of-date", "A mart has a new column that its expected seed does not know.",
        "expected__revenue_by_currency",
        _edit("models/revenue/revenue_by_currency.sql", ("sum(ride_count)::bigint as ride_count,", "sum(ride_count)::bigint as ride_count,\n        count(*) as day_count,")),
        _edit("models/revenue/_revenue__models.yml", ("contract: {enforced: true}", "contract: {enforced: false}"))),
    _fault("expected-column-renamed", "A dimension's column has a new name.", "expected__dim_zipcodes",
        _edit("models/dimensions/dim_zipcodes.sql", ("        state\n", "        state,\n        state as state_name\n"))),
    _fault("expected-cell-wrong", "A cell of an expected seed was edited by hand.", "expected__daily_revenue",
        _edit("seeds/angiogram/expected/expected__daily_revenue.csv", ("2024-02-29,New York,Honda,USD,1,7.5,0,7.5,7.50", "2024-02-29,New York,Honda,USD,1,7.5,0,7.5,7.51"))),
]  # fmt: skip

FAULTS = [*IN_STAGING, *IN_CHECKED, *IN_FACTS, *IN_MARTS, *IN_SEEDS]
