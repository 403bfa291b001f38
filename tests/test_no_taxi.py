"""No word of the taxi in general code: not in a name, a docstring, a help text, an error or a piece of SQL."""

import re
from pathlib import Path

import pytest

from taxi.contract import CONTRACT

ROOT = Path(__file__).parents[1]

GENERAL = ("ingestion", "angiogram", "dbt_package")
"""Folders that know no pipeline. Migrations keep their old text; they are SQL files."""

ENDINGS = (".py", ".sql", ".html", ".j2", ".jinja", ".md", ".yml")

TAXI = {
    *(
        "ride",
        "rides",
        "taxi",
        "taxis",
        "cab",
        "cabs",
        "trip",
        "trips",
        "fare",
        "fares",
        "tip",
        "tips",
        "toll",
        "tolls",
    ),
    *("driver", "drivers", "passenger", "passengers", "pax", "pickup", "dropoff", "zipcode", "zipcodes"),
    *("borough", "boroughs", "revenue", "car", "cars", "currency", "currencies", "nyc"),
}
ALLOWED = {"ingestion/database/errors.py": {"driver"}, "ingestion/database/outages.py": {"driver"}}
"""Words that mean something else there: the database's driver."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words(text: str) -> set[str]:
    """The words of a text, identifiers split at underscores and capitals."""
    return {word.lower() for word in _WORD.findall(text)}


def general_files() -> list[Path]:
    return [
        path
        for folder in GENERAL
        for path in sorted((ROOT / folder).rglob("*"))
        if (path.suffix in ENDINGS and "migrations" not in path.parts[:-1]) or path.name == "__init__.py"
    ]


def test_the_words_of_the_contract_are_looked_for() -> None:
    """Fields, table and names of the contract hold nothing but these words and general ones."""
    general = {"id", "start", "end", "time", "amount", "tax", "model", "dye", "in", "hand", "number", "name"}
    names = (*CONTRACT.fields, CONTRACT.table, CONTRACT.topic, CONTRACT.database, CONTRACT.dye_view, CONTRACT.dye_seed)
    assert words(" ".join((*names, CONTRACT.number_column, CONTRACT.name_column))) <= TAXI | general


@pytest.mark.parametrize("text", ["RideColumns", "raw_rides", "taxi_loader", "a ride's fare", "DYE_RIDES", "a Taxi."])
def test_a_word_is_found_inside_of_names(text: str) -> None:
    assert words(text) & TAXI


@pytest.mark.parametrize("text", ["override", "stripped", "multiple", "scary", "prides", "carry"])
def test_a_word_within_another_word_is_none(text: str) -> None:
    assert not words(text) & TAXI


@pytest.mark.parametrize("folder", GENERAL)
def test_general_code_knows_no_taxi(folder: str) -> None:
    files = [path for path in general_files() if path.is_relative_to(ROOT / folder)]
    assert len(files) > 10
    found = [
        f"{path.relative_to(ROOT)}:{number} {', '.join(sorted(taxi))}: {line.strip()[:100]}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (taxi := (words(line) & TAXI) - ALLOWED.get(str(path.relative_to(ROOT)), set()))
    ]
    assert not found, "\n".join(found)
