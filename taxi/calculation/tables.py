"""All models and the reference data as rows of typed values.

Columns that differ from run to run are left out.
"""

from collections.abc import Iterable
from datetime import date

from angiogram.dbt.seeds.seed_text import Row
from angiogram.dye.seeds import StoredMessage
from taxi.calculation import models
from taxi.calculation.reference import Reference

_TEXTS = "start_time_text end_time_text fare_amount_text tax_amount_text"
_MEASURES = "ride_count fare_amount tax_amount revenue_amount revenue_usd_amount"
COLUMNS: dict[str, tuple[str, ...]] = {
    model: tuple(columns.split())
    for model, columns in {
        "stg_taxi__rides": "message_id ride_id taxi_id pax_id pickup_zipcode dropoff_zipcode currency car_model "
        f"{_TEXTS} fare_amount tax_amount started_at ended_at message_at",
        "int_rides__checked": "message_id ride_id taxi_id pax_id pickup_zipcode dropoff_zipcode pickup_state currency "
        f"car_model {_TEXTS} rejection_reasons fare_amount tax_amount usd_rate is_valid trip_date "
        "started_at ended_at message_at",
        "fct_rides": "ride_id message_id taxi_id pax_id pickup_zipcode dropoff_zipcode pickup_state currency car_model "
        "fare_amount tax_amount revenue_amount usd_rate revenue_usd_amount trip_date started_at ended_at message_at",
        "fct_rejected_rides": "message_id ride_id taxi_id pax_id pickup_zipcode dropoff_zipcode currency car_model "
        f"{_TEXTS} rejection_reasons message_at",
        "dim_dates": "date_day year quarter month day_of_month iso_week iso_weekday is_weekend",
        "dim_zipcodes": "zipcode state",
        "daily_revenue": f"trip_date pickup_state car_model currency {_MEASURES}",
        "revenue_by_car_model": f"car_model currency {_MEASURES}",
        "revenue_by_state": f"pickup_state currency {_MEASURES}",
        "revenue_by_date": f"trip_date currency {_MEASURES}",
        "revenue_by_currency": f"currency {_MEASURES}",
        "zipcodes": "zipcode state",
        "exchange_rates": "currency valid_from usd_rate",
        "car_models": "car_model",
    }.items()
}
"""Columns of each model in order, without the run-dependent ones, and of the reference seeds.

The models' rows were calculated from the reference seeds' rows, so that changed reference data is not mistaken for a
wrong model.
"""


def expected_tables(messages: Iterable[StoredMessage], reference: Reference, last_day: date) -> dict[str, list[Row]]:
    """Return the rows that each model must hold after all messages, whatever their batches.

    The reference seeds are among the tables, as they were used.

    Args:
        messages: the messages, in any order; message-grain models list them in this one.
        reference: zip codes, exchange rates, car models.
        last_day: last day of dim_dates.

    Raises:
        SeedError: a time is outside the years that Python supports.
    """
    with models.exact_arithmetic():
        staged = [models.staged_ride(message) for message in messages]
        checked = [models.checked_ride(ride, reference) for ride in staged]
        rides = models.fct_rides(checked)
        daily = models.daily_revenue(rides)
        records: dict[str, Iterable[object]] = {
            "stg_taxi__rides": staged,
            "int_rides__checked": checked,
            "fct_rides": rides,
            "fct_rejected_rides": models.fct_rejected_rides(checked),
            "dim_dates": models.dim_dates(last_day),
            "dim_zipcodes": models.dim_zipcodes(reference),
            "daily_revenue": daily,
            "revenue_by_car_model": models.revenue_by(("car_model", "currency"), daily),
            "revenue_by_state": models.revenue_by(("pickup_state", "currency"), daily),
            "revenue_by_date": models.revenue_by(("trip_date", "currency"), daily),
            "revenue_by_currency": models.revenue_by(("currency",), daily),
        }
    tables = reference.tables()
    return {
        name: tables[name] if name in tables else [_row(record, columns) for record in records[name]]
        for name, columns in COLUMNS.items()
    }


def _row(record: object, columns: tuple[str, ...]) -> Row:
    key = getattr(record, "key", {})
    return {column: key[column] if column in key else getattr(record, column) for column in columns}
