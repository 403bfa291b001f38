"""Calculates every dbt model independently: one function per model, from messages to rows."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, localcontext

from angiogram.dye.seeds import StoredMessage
from taxi.calculation import rules
from taxi.calculation.records import AcceptedRide, CheckedRide, Day, Revenue, StagedRide, Zipcode
from taxi.calculation.reference import Reference

DIGITS = 200
"""Digits that the calculation keeps; more than any sum of rides needs."""


def staged_ride(message: StoredMessage) -> StagedRide:
    """stg_taxi__rides: a message's fields, named, trimmed and parsed."""
    text = {name: rules.trimmed(value) for name, value in message.fields.items()}
    started_at = rules.instant(text["start_time"])
    return StagedRide(
        message=message,
        message_id=message.message_id,
        ride_id=rules.ride_id(text["taxi_id"], text["pax_id"], started_at),
        taxi_id=text["taxi_id"],
        pax_id=text["pax_id"],
        pickup_zipcode=rules.zipcode(text["pickup_zipcode"]),
        dropoff_zipcode=rules.zipcode(text["dropoff_zipcode"]),
        currency=rules.currency_code(text["currency"]),
        car_model=text["car_model"],
        start_time_text=text["start_time"],
        end_time_text=text["end_time"],
        fare_amount_text=text["fare_amount"],
        tax_amount_text=text["tax_amount"],
        fare_amount=rules.amount(text["fare_amount"]),
        tax_amount=rules.amount(text["tax_amount"]),
        started_at=started_at,
        ended_at=rules.instant(text["end_time"]),
        message_at=message.message_at,
    )


def checked_ride(ride: StagedRide, reference: Reference) -> CheckedRide:
    """int_rides__checked: a staged ride with its reference data and the verdict of every rule."""
    trip_date = ride.started_at.date() if ride.started_at else None
    usd_rate = rules.rate_on(reference.rates.get(ride.currency or ""), trip_date)
    car_model = ride.car_model or rules.UNKNOWN
    reasons = [
        *(["missing_taxi"] if ride.taxi_id is None else []),
        *(["missing_passenger"] if ride.pax_id is None else []),
        *rules.time_reasons("start", ride.start_time_text, ride.started_at),
        *rules.time_reasons("end", ride.end_time_text, ride.ended_at),
        *rules.start_reasons(ride.started_at, ride.ended_at, ride.message_at),
        *rules.amount_reasons("fare", ride.fare_amount_text, ride.fare_amount),
        *rules.amount_reasons("tax", ride.tax_amount_text, ride.tax_amount),
        *rules.rate_reasons(ride.currency in reference.rates, trip_date, usd_rate),
        *rules.message_reasons(ride.message_at),
    ]
    judgement = {
        "car_model": reference.car_models.get(rules.folded_car_model(car_model), car_model),
        "pickup_state": reference.states.get(ride.pickup_zipcode or "", rules.UNKNOWN),
        "rejection_reasons": ",".join(reasons) or None,
        "usd_rate": usd_rate,
        "is_valid": not reasons,
        "trip_date": trip_date,
    }
    return CheckedRide(**({field.name: getattr(ride, field.name) for field in fields(ride)} | judgement))


def accepted_ride(ride: CheckedRide) -> AcceptedRide | None:
    """A ride as fct_rides holds it, or None if it is rejected."""
    if (
        not ride.is_valid
        # the rules have checked these, but the type checker does not know
        or ride.ride_id is None
        or ride.taxi_id is None
        or ride.pax_id is None
        or ride.currency is None
        or ride.fare_amount is None
        or ride.tax_amount is None
        or ride.usd_rate is None
        or ride.trip_date is None
        or ride.started_at is None
        or ride.ended_at is None
        or ride.message_at is None
    ):
        return None
    revenue = ride.fare_amount + ride.tax_amount
    return AcceptedRide(
        ride_id=ride.ride_id,
        message_id=ride.message_id,
        taxi_id=ride.taxi_id,
        pax_id=ride.pax_id,
        pickup_zipcode=ride.pickup_zipcode,
        dropoff_zipcode=ride.dropoff_zipcode,
        pickup_state=ride.pickup_state,
        currency=ride.currency,
        car_model=ride.car_model,
        fare_amount=ride.fare_amount,
        tax_amount=ride.tax_amount,
        revenue_amount=revenue,
        usd_rate=ride.usd_rate,
        revenue_usd_amount=revenue * ride.usd_rate,
        trip_date=ride.trip_date,
        started_at=ride.started_at,
        ended_at=ride.ended_at,
        message_at=ride.message_at,
    )


def fct_rides(checked: Sequence[CheckedRide]) -> list[AcceptedRide]:
    """fct_rides: the newest valid message of each ride.

    The order is by message time, then partition, then offset.
    """
    places = {ride.message_id: (ride.message.partition, ride.message.offset) for ride in checked}
    accepted = [one for ride in checked if (one := accepted_ride(ride))]
    newest: dict[str, AcceptedRide] = {}
    for ride in sorted(accepted, key=lambda ride: (ride.message_at, *places[ride.message_id])):
        newest[ride.ride_id] = ride
    return sorted(newest.values(), key=lambda ride: (ride.started_at, ride.ride_id))


def fct_rejected_rides(checked: Iterable[CheckedRide]) -> list[CheckedRide]:
    """fct_rejected_rides: every message that breaks a rule."""
    return [ride for ride in checked if not ride.is_valid]


def dim_dates(last_day: date) -> list[Day]:
    """dim_dates: every day from the first on which a ride may start to `last_day`."""
    first_day = rules.FIRST_START.date()
    days = [first_day + timedelta(days=number) for number in range((last_day - first_day).days + 1)]
    return [
        Day(
            date_day=day,
            year=day.year,
            quarter=(day.month + 2) // 3,
            month=day.month,
            day_of_month=day.day,
            iso_week=day.isocalendar().week,
            iso_weekday=day.isoweekday(),
            is_weekend=day.isoweekday() >= 6,
        )
        for day in days
    ]


def dim_zipcodes(reference: Reference) -> list[Zipcode]:
    """dim_zipcodes: every zip code of the reference with its state."""
    return [Zipcode(zipcode, state) for zipcode, state in sorted(reference.states.items())]


def daily_revenue(rides: Iterable[AcceptedRide]) -> list[Revenue]:
    """daily_revenue: rides per trip date, pickup state, car model and currency.

    USD is rounded here, once.
    """
    totals = _summed_up(
        Revenue(
            key={
                "trip_date": ride.trip_date,
                "pickup_state": ride.pickup_state,
                "car_model": ride.car_model,
                "currency": ride.currency,
            },
            ride_count=1,
            fare_amount=ride.fare_amount,
            tax_amount=ride.tax_amount,
            revenue_amount=ride.revenue_amount,
            revenue_usd_amount=ride.revenue_usd_amount,
        )
        for ride in rides
    )
    return [replace(total, revenue_usd_amount=_to_cents(total.revenue_usd_amount)) for total in totals]


def revenue_by(columns: tuple[str, ...], daily: Iterable[Revenue]) -> list[Revenue]:
    """revenue_by_*: daily_revenue summed by some of its key columns, including rounded USD."""
    return _summed_up(
        Revenue(
            key={column: row.key[column] for column in columns},
            ride_count=row.ride_count,
            fare_amount=row.fare_amount,
            tax_amount=row.tax_amount,
            revenue_amount=row.revenue_amount,
            revenue_usd_amount=row.revenue_usd_amount,
        )
        for row in daily
    )


def _to_cents(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP, context=Context(prec=DIGITS))


def _summed_up(rows: Iterable[Revenue]) -> list[Revenue]:
    """Return one row for each key, in the order of the keys."""
    totals: dict[tuple[str, ...], Revenue] = {}
    for row in rows:
        key = tuple(str(value) for value in row.key.values())
        total = totals.get(key)
        totals[key] = (
            row
            if total is None
            else Revenue(
                key=row.key,
                ride_count=total.ride_count + row.ride_count,
                fare_amount=total.fare_amount + row.fare_amount,
                tax_amount=total.tax_amount + row.tax_amount,
                revenue_amount=total.revenue_amount + row.revenue_amount,
                revenue_usd_amount=total.revenue_usd_amount + row.revenue_usd_amount,
            )
        )
    return [totals[key] for key in sorted(totals)]


def exact_arithmetic() -> AbstractContextManager[Context]:
    """Return a context for decimal arithmetic that raises an error rather than lose a digit."""
    return localcontext(Context(prec=DIGITS, traps=[Inexact, InvalidOperation]))
