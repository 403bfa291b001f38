"""Faults in staging and in the checks."""

from angiogram.faults.edits import edit, fault

STAGING, CHECKED_RIDES = "stg_taxi__rides", "int_rides__checked"
STAGING_FILE = f"models/staging/{STAGING}.sql"
CHECKED_FILE = f"models/intermediate/{CHECKED_RIDES}.sql"
RIDES_FILE = "models/facts/fct_rides.sql"

IN_STAGING = [
    fault(
        "column-renamed-under-its-readers",
        "A column that the facts read has a new name.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("reference_car_model as car_model", "reference_car_model as model")),
    ),
    fault(
        "offset-narrowed",
        "Staging casts the offset, which no comparison looks at, to a type that the facts' contract forbids.",
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
        "Staging lacks the offset, which no comparison looks at and the check needs.",
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
        "Staging trims blanks alone.",
        STAGING,
        edit("macros/trimmed.sql", ("e' \\t\\n\\r\\x0b\\f'", "' '")),
    ),
    fault(
        "empty-is-not-null",
        "Staging keeps empty text.",
        STAGING,
        edit(
            "macros/trimmed.sql",
            ("nullif(btrim({{ column }}, e' \\t\\n\\r\\x0b\\f'), '')", "btrim({{ column }}, e' \\t\\n\\r\\x0b\\f')"),
        ),
    ),
    fault(
        "currency-case",
        "Staging leaves currencies in small letters.",
        STAGING,
        edit(STAGING_FILE, ("upper({{ trimmed('currency') }})", "{{ trimmed('currency') }}")),
    ),
    fault(
        "zip-code-loses-its-zero",
        "Staging takes zip codes for numbers.",
        STAGING,
        edit("macros/readable_zipcode.sql", ("then {{ column }} end", "then ltrim({{ column }}, '0') end")),
    ),
    fault(
        "times-in-local-zone",
        "Times without a zone are read as New York's.",
        STAGING,
        edit("macros/readable_timestamp.sql", ("then '' else 'Z' end", "then '' else '-05:00' end")),
    ),
    fault(
        "daylight-saving-hour",
        "Times without a zone are read as New York's, summer time included.",
        STAGING,
        edit("macros/readable_timestamp.sql", ("then '' else 'Z' end", "then '' else ' America/New_York' end")),
    ),
    fault(
        "staging-forgets-the-partition",
        "Staging takes what lies beyond the highest offset of all partitions.",
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
        "Staging rounds amounts, and the facts leave the tax out.",
        (STAGING, "fct_rides"),
        edit("macros/readable_amount.sql", ("::numeric end", "::numeric(24, 1) end")),
        edit(RIDES_FILE, ("fare_amount + tax_amount as", "fare_amount as")),
    ),
    fault(
        "contract-broken-below-a-fault",
        "Staging rounds amounts, and a mart has a column beyond its contract.",
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
        "The rule negative_tax is gone.",
        CHECKED_RIDES,
        edit(CHECKED_FILE, ("case when tax_amount < 0 then 'negative_tax' end,", "")),
    ),
    fault(
        "rides-of-1970-counted",
        "The rule start_before_2024 is gone (original demo).",
        CHECKED_RIDES,
        edit(
            CHECKED_FILE,
            ("case when started_at < '2024-01-01T00:00:00Z'::timestamptz then 'start_before_2024' end,", ""),
        ),
    ),
    fault(
        "boundary-moved-by-one",
        "A ride of no length is rejected.",
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
        "Rides are joined to all rates up to their day.",
        CHECKED_RIDES,
        edit(
            CHECKED_FILE,
            ("and (rides_to_take.trip_date < rate_periods.valid_until or rate_periods.valid_until is null)", ""),
        ),
    ),
    fault(
        "rate-a-day-late",
        "A rate holds from the day after its first.",
        CHECKED_RIDES,
        edit(
            CHECKED_FILE,
            ("rides_to_take.trip_date >= rate_periods.valid_from", "rides_to_take.trip_date > rate_periods.valid_from"),
        ),
    ),
    fault(
        "day-boundary-in-local-time",
        "The trip date is New York's.",
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
        "The check takes only rides sent after all it has taken.",
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
