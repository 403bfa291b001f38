"""Faults in facts, dimensions and marts."""

from angiogram.faults.edits import edit, fault
from taxi.faults.models import CHECKED_FILE, CHECKED_RIDES, RIDES_FILE

REJECTED_FILE = "models/facts/fct_rejected_rides.sql"
DAILY_FILE = "models/revenue/daily_revenue.sql"

WITHOUT_INDEX = ("        indexes=[{'columns': ['ride_id'], 'unique': true}],\n", "")

IN_FACTS = [
    fault(
        "tax-left-out",
        "Revenue is the fare without the tax (original demo).",
        "fct_rides",
        edit(RIDES_FILE, ("fare_amount + tax_amount as", "fare_amount as")),
    ),
    fault(
        "no-deduplication",
        "Every version of a ride counts (original demo).",
        "fct_rides",
        edit(RIDES_FILE, ("where newness = 1", ""), WITHOUT_INDEX),
    ),
    fault(
        "duplicate-kept",
        "All versions of a ride sent at the same time count.",
        "fct_rides",
        edit(
            RIDES_FILE,
            ("row_number() over", "rank() over"),
            (
                ",\n                valid_rides.source_partition desc,"
                "\n                valid_rides.source_offset desc,"
                "\n                valid_rides.source_topic_id desc",
                "",
            ),
            WITHOUT_INDEX,
        ),
    ),
    fault(
        "older-version-wins",
        "The first version of a ride counts instead of the latest.",
        "fct_rides",
        edit(RIDES_FILE, ("valid_rides.message_at desc,", "valid_rides.message_at asc,")),
    ),
    fault(
        "late-rides-missed",
        "The facts take only rides later than the last day they hold.",
        "fct_rides",
        edit(
            RIDES_FILE,
            (
                "where {{ beyond_taken('valid_rides') }}",
                "where trip_date > (select max(taken.trip_date) from {{ this }} as taken)",
            ),
        ),
    ),
    fault(
        "corrections-added",
        "Corrections are added beside the rides that they correct.",
        "fct_rides",
        edit(RIDES_FILE, ("incremental_strategy='delete+insert'", "incremental_strategy='append'"), WITHOUT_INDEX),
    ),
    fault(
        "facts-fail",
        "The facts fail with a division by zero.",
        "fct_rides",
        edit(
            RIDES_FILE, ("revenue_amount * usd_rate as", "revenue_amount * usd_rate / (fare_amount - fare_amount) as")
        ),
    ),
    fault(
        "rejected-with-two-reasons-lost",
        "Rejected rides that break several rules are lost.",
        "fct_rejected_rides",
        edit(REJECTED_FILE, ("not is_valid\n", "not is_valid and position(',' in rejection_reasons) = 0\n")),
    ),
    fault(
        "late-rejected-rides-missed",
        "Rejected rides of later batches are lost.",
        "fct_rejected_rides",
        edit(REJECTED_FILE, ("and {{ beyond_taken('checked_rides') }}", "and false")),
    ),
]

IN_MARTS = [
    fault(
        "unknown-state-left-out",
        "Rides of the state UNKNOWN are not counted.",
        "daily_revenue",
        edit(DAILY_FILE, ("from rides\n    group", "from rides\n    where pickup_state <> 'UNKNOWN'\n    group")),
    ),
    fault(
        "rounded-too-early",
        "Dollars are rounded per ride instead of per sum.",
        "daily_revenue",
        edit(DAILY_FILE, ("round(sum(revenue_usd_amount), 2)", "sum(round(revenue_usd_amount, 2))")),
    ),
    fault(
        "currencies-mixed",
        "Amounts of all currencies are added up under one.",
        "daily_revenue",
        edit(
            DAILY_FILE,
            ("        currency,\n", "        min(currency) as currency,\n"),
            ("car_model, currency\n", "car_model\n"),
        ),
    ),
    fault(
        "rows-counted-for-rides",
        "The mart counts days instead of rides.",
        "revenue_by_state",
        edit("models/revenue/revenue_by_state.sql", ("sum(ride_count)::bigint", "count(*)")),
    ),
    fault(
        "old-days-cut-off",
        "Days before 2025 are left out.",
        "revenue_by_date",
        edit(
            "models/revenue/revenue_by_date.sql",
            ("from daily_revenue\n    group", "from daily_revenue\n    where trip_date >= '2025-01-01'\n    group"),
        ),
    ),
    fault(
        "wrong-column-added-up",
        "The tax is shown as the fare.",
        "revenue_by_car_model",
        edit(
            "models/revenue/revenue_by_car_model.sql",
            ("sum(fare_amount) as fare_amount", "sum(tax_amount) as fare_amount"),
        ),
    ),
    fault(
        "first-day-missing",
        "The calendar begins a day late.",
        "dim_dates",
        edit("models/dimensions/dim_dates.sql", ("'2024-01-01'::timestamp", "'2024-01-02'::timestamp")),
    ),
    fault(
        "weekend-begins-on-friday",
        "Friday counts as weekend.",
        "dim_dates",
        edit("models/dimensions/dim_dates.sql", ("in (6, 7)", "in (5, 6, 7)")),
    ),
    fault(
        "states-in-capitals",
        "States are written in capitals.",
        "dim_zipcodes",
        edit("models/dimensions/dim_zipcodes.sql", ("        state\n", "        upper(state) as state\n")),
    ),
    fault(
        "faults-at-both-ends",
        "The check drops a rule, and a mart counts days.",
        (CHECKED_RIDES, "revenue_by_state"),
        edit(CHECKED_FILE, ("case when tax_amount < 0 then 'negative_tax' end,", "")),
        edit("models/revenue/revenue_by_state.sql", ("sum(ride_count)::bigint", "count(*)")),
    ),
]


FAULTS = [*IN_FACTS, *IN_MARTS]
