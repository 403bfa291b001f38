"""The calculation's records: a row of each model, with the model's columns as fields."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from angiogram.dye.seeds import StoredMessage


@dataclass(frozen=True, slots=True)
class StagedRide:
    """A row of stg_taxi__rides. `message` also decides which of two versions is the newer."""

    message: StoredMessage
    message_id: str
    ride_id: str | None
    taxi_id: str | None
    pax_id: str | None
    pickup_zipcode: str | None
    dropoff_zipcode: str | None
    currency: str | None
    car_model: str | None
    start_time_text: str | None
    end_time_text: str | None
    fare_amount_text: str | None
    tax_amount_text: str | None
    fare_amount: Decimal | None
    tax_amount: Decimal | None
    started_at: datetime | None
    ended_at: datetime | None
    message_at: datetime | None


@dataclass(frozen=True, slots=True)
class CheckedRide(StagedRide):
    """A row of int_rides__checked.

    It is the staged ride, its car model in the reference's spelling, and the result of the rules.
    """

    car_model: str
    pickup_state: str
    rejection_reasons: str | None
    usd_rate: Decimal | None
    is_valid: bool
    trip_date: date | None


@dataclass(frozen=True, slots=True)
class AcceptedRide:
    """A row of fct_rides."""

    ride_id: str
    message_id: str
    taxi_id: str
    pax_id: str
    pickup_zipcode: str | None
    dropoff_zipcode: str | None
    pickup_state: str
    currency: str
    car_model: str
    fare_amount: Decimal
    tax_amount: Decimal
    revenue_amount: Decimal
    usd_rate: Decimal
    revenue_usd_amount: Decimal
    trip_date: date
    started_at: datetime
    ended_at: datetime
    message_at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """A row of dim_dates."""

    date_day: date
    year: int
    quarter: int
    month: int
    day_of_month: int
    iso_week: int
    iso_weekday: int
    is_weekend: bool


@dataclass(frozen=True, slots=True)
class Zipcode:
    """A row of dim_zipcodes."""

    zipcode: str
    state: str


@dataclass(frozen=True, slots=True)
class Revenue:
    """A row of a revenue mart: its key, by column name, and the five measures."""

    key: dict[str, str | date]
    ride_count: int
    fare_amount: Decimal
    tax_amount: Decimal
    revenue_amount: Decimal
    revenue_usd_amount: Decimal
