"""Faults in staging and in the checks."""

from angiogram.faults.edits import edit, fault

STAGING, CHECKED_RIDES = "stg_taxi__rides", "int_rides__checked"
STAGING_FILE = f"models/staging/{STAGING}.sql"
CHECKED_FILE = f"models/intermediate/{CHECKED_RIDES}.sql"
RIDES_FILE = "models/facts/fct_rides.sql"

IN_STAGING = [
    fault(
        "column-renamed-under-its-readers",
        "A column that the facts read is renamed.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("reference_car_model as car_model", "reference_car_model as model")),
    ),
    fault(
        "offset-narrowed",
        "Staging casts the offset, which is not compared, to a type that the facts' contract forbids.",
        STAGING,
        edit(
            STAGING_FILE,
            (
                "        source_offset,\n        loaded_at\n    from renamed",
                "        source_offset::integer,\n        loaded_at\n    from renamed",
            ),
        ),
    ),
    fault(
        "offset-dropped",
        "Staging drops the offset, which is not compared but which the check needs.",
        STAGING,
        edit(
            STAGING_FILE,
            ("        source_offset,\n        loaded_at\n    from renamed", "        loaded_at\n    from renamed"),
        ),
    ),
    fault(
        "cast-rounds",
        "Staging rounds amounts to one decimal.",
        STAGING,
        edit("macros/readable_amount.sql", ("::numeric end", "::numeric(24, 1) end")),
    ),
    fault(
        "amounts-as-floats",
        "Staging casts amounts through floating point.",
        STAGING,
        edit("macros/readable_amount.sql", ("::numeric end", "::float8::numeric end")),
    ),
    fault(
        "text-not-trimmed",
        "Staging trims only blanks, no other white space.",
        STAGING,
        edit("macros/trimmed.sql", ("e' \\t\\n\\r\\x0b\\f'", "' '")),
    ),
    fault(
        "empty-is-not-null",
        "Staging keeps empty text instead of null.",
        STAGING,
        edit(
            "macros/trimmed.sql",
            ("nullif(btrim({{ column }}, e' \\t\\n\\r\\x0b\\f'), '')", "btrim({{ column }}, e' \\t\\n\\r\\x0b\\f')"),
        ),
    ),
    fault(
        "currency-case",
        "Staging does not convert currencies to upper case.",
        STAGING,
        edit(STAGING_FILE, ("upper({{ trimmed('currency') }})", "{{ trimmed('currency') }}")),
    ),
    fault(
        "zip-code-loses-its-zero",
        "Staging strips leading zeros from zip codes.",
        STAGING,
        edit("macros/readable_zipcode.sql", ("then {{ column }} end", "then ltrim({{ column }}, '0') end")),
    ),
    fault(
        "times-in-local-zone",
        "Staging reads times without a zone as New York time.",
        STAGING,
        edit("macros/readable_timestamp.sql", ("then '' else 'Z' end", "then '' else '-05:00' end")),
    ),
    fault(
        "daylight-saving-hour",
        "Staging reads times without a zone as New York time, with daylight saving.",
        STAGING,
        edit("macros/readable_timestamp.sql", ("then '' else 'Z' end", "then '' else ' America/New_York' end")),
    ),
    fault(
        "staging-forgets-the-partition",
        "Staging takes only messages beyond the highest offset of all partitions.",
        (STAGING,),
        edit(
            STAGING_FILE,
            (
                "where {{ beyond_taken('source') }}",
                "where source_offset > (select max(taken.source_offset) from {{ this }} as taken)",
            ),
        ),
    ),
    fault(
        "two-faults-at-once",
        "Staging rounds amounts, and the facts leave out the tax.",
        (STAGING, "fct_rides"),
        edit("macros/readable_amount.sql", ("::numeric end", "::numeric(24, 1) end")),
        edit(RIDES_FILE, ("fare_amount + tax_amount as", "fare_amount as")),
    ),
    fault(
        "contract-broken-below-a-fault",
        "Staging rounds amounts, and a mart has a column that its contract does not have.",
        (STAGING, "revenue_by_currency"),
        edit("macros/readable_amount.sql", ("::numeric end", "::numeric(24, 1) end")),
        edit(
            "models/revenue/revenue_by_currency.sql",
            ("as revenue_usd_amount\n", "as revenue_usd_amount,\n        max(fare_amount) as biggest_fare\n"),
        ),
    ),
]

IN_CHECKED_RIDES = [
    fault(
        "rule-dropped",
        "The rule negative_tax is missing.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("case when tax_amount < 0 then 'negative_tax' end,", "")),
    ),
    fault(
        "rides-of-1970-counted",
        "The rule start_before_2024 is missing (original demo).",
        CHECKED_RIDES,
        edit(
            CHECKED_FILE,
            ("case when started_at < '2024-01-01T00:00:00Z'::timestamptz then 'start_before_2024' end,", ""),
        ),
    ),
    fault(
        "boundary-moved-by-one",
        "A ride of zero duration is rejected.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("ended_at < started_at", "ended_at <= started_at")),
    ),
    fault(
        "boundary-of-a-day-moved",
        "A start exactly 24 hours ahead is rejected.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("started_at > message_at + interval", "started_at >= message_at + interval")),
    ),
    fault(
        "join-loss",
        "Rides without a known state are lost.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("left join zipcodes on", "inner join zipcodes on")),
    ),
    fault(
        "join-fan-out",
        "Rides are joined to every rate up to their day.",
        CHECKED_RIDES,
        edit(
            CHECKED_FILE,
            ("and (rides_to_take.trip_date < rate_periods.valid_until or rate_periods.valid_until is null)", ""),
        ),
    ),
    fault(
        "rate-a-day-late",
        "A rate applies one day too late.",
        CHECKED_RIDES,
        edit(
            CHECKED_FILE,
            ("rides_to_take.trip_date >= rate_periods.valid_from", "rides_to_take.trip_date > rate_periods.valid_from"),
        ),
    ),
    fault(
        "day-boundary-in-local-time",
        "The trip date is taken in New York time.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("at time zone 'UTC'", "at time zone 'America/New_York'")),
    ),
    fault(
        "null-group-lost",
        "Rides without a state keep null instead of UNKNOWN.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("coalesce(zipcodes.state, 'UNKNOWN')", "zipcodes.state")),
    ),
    fault(
        "late-rides-not-checked",
        "The check takes only rides sent later than any it has taken.",
        CHECKED_RIDES,
        edit(
            CHECKED_FILE,
            (
                "where {{ beyond_taken('rides') }}",
                "where message_at > (select max(taken.message_at) from {{ this }} as taken)",
            ),
        ),
    ),
]


FAULTS = [*IN_STAGING, *IN_CHECKED_RIDES]
