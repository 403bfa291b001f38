"""Faults in reference data and in expected data."""

from angiogram.faults.edits import edit, fault

FAULTS = [
    fault(
        "unmapped-10004",
        "The zip code 10004 is not in the reference data (original demo).",
        "seed:zipcodes",
        edit("seeds/reference/zipcodes.csv", ("10004,New York\n", "")),
    ),
    fault(
        "state-renamed",
        "A state changes its name in the reference data.",
        "seed:zipcodes",
        edit("seeds/reference/zipcodes.csv", ("89101,Nevada", "89101,Nev.")),
    ),
    fault(
        "stale-rates",
        "The newest rates are missing.",
        "seed:exchange_rates",
        edit("seeds/reference/exchange_rates.csv", ("CAD,2026-01-01,0.7285\n", ""), ("MXN,2026-01-01,0.05558\n", "")),
    ),
    fault(
        "rate-inverted",
        "A rate is inverted.",
        "seed:exchange_rates",
        edit("seeds/reference/exchange_rates.csv", ("CAD,2025-01-01,0.6952", "CAD,2025-01-01,1.4384")),
    ),
    fault(
        "car-model-renamed",
        "The reference data spells a car model differently.",
        "seed:car_models",
        edit("seeds/reference/car_models.csv", ("Tesla Model 3", "Tesla 3")),
    ),
    fault(
        "expected-seed-out-of-date",
        "A mart has a new column that its expected seed does not have.",
        ("expected:revenue_by_currency", "revenue_by_currency"),
        edit(
            "models/revenue/revenue_by_currency.sql",
            (
                "sum(ride_count)::bigint as ride_count,",
                "sum(ride_count)::bigint as ride_count,\n        count(*) as day_count,",
            ),
        ),
        edit("models/revenue/_revenue__models.yml", ("contract: {enforced: true}", "contract: {enforced: false}")),
    ),
    fault(
        "expected-column-renamed",
        "A dimension also has one of its columns under a second name.",
        ("expected:dim_zipcodes", "dim_zipcodes"),
        edit(
            "models/dimensions/dim_zipcodes.sql", ("        state\n", "        state,\n        state as state_name\n")
        ),
    ),
    fault(
        "expected-cell-wrong",
        "A cell of an expected seed was edited by hand.",
        "expected:daily_revenue",
        edit(
            "seeds/angiogram/expected/expected__daily_revenue.csv",
            ("2024-02-29,New York,Honda,USD,1,7.5,0,7.5,7.50", "2024-02-29,New York,Honda,USD,1,7.5,0,7.5,7.51"),
        ),
    ),
]
