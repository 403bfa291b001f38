"""Reference data: states of zip codes, exchange rates, car models."""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from angiogram.core.errors import SeedError
from angiogram.dbt.seeds.seed_text import Row
from taxi.calculation.rules import folded_car_model


@dataclass(frozen=True, slots=True)
class Reference:
    """The three reference seeds, prepared for look-ups.

    Attributes:
        states: state of each zip code.
        rates: per currency, the days from which a rate to USD applies, and the rate.
        car_models: spelling of each car model, by its folded text.
    """

    states: dict[str, str]
    rates: dict[str, list[tuple[date, Decimal]]]
    car_models: dict[str, str]

    def tables(self) -> dict[str, list[Row]]:
        """Return the rows of the three seeds, each key once."""
        return {
            "zipcodes": [{"zipcode": zipcode, "state": state} for zipcode, state in self.states.items()],
            "exchange_rates": [
                {"currency": currency, "valid_from": valid_from, "usd_rate": rate}
                for currency, rates in self.rates.items()
                for valid_from, rate in rates
            ],
            "car_models": [{"car_model": car_model} for car_model in self.car_models.values()],
        }


def read_reference(folder: Path, prefix: str = "") -> Reference:
    """Read zipcodes.csv, exchange_rates.csv and car_models.csv.

    Args:
        folder: that holds them.
        prefix: before each file's name.

    Raises:
        SeedError: a file is missing.
    """
    rates: dict[str, list[tuple[date, Decimal]]] = {}
    for row in _read_rows(folder / f"{prefix}exchange_rates.csv"):
        rates.setdefault(row["currency"], []).append((date.fromisoformat(row["valid_from"]), Decimal(row["usd_rate"])))
    return Reference(
        states={row["zipcode"]: row["state"] for row in _read_rows(folder / f"{prefix}zipcodes.csv")},
        rates=rates,
        car_models={
            folded_car_model(row["car_model"]): row["car_model"]
            for row in _read_rows(folder / f"{prefix}car_models.csv")
        },
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))
    except FileNotFoundError:
        raise SeedError(f"The reference seed {path} is missing. Name the folder that holds it.") from None
