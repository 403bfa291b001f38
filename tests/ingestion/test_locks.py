"""Commands on raw rows exclude each other where they work on one table, and nowhere else."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from ingestion.database.locks import REPLACE_DAY, lock_of_stream
from taxi.contract import CONTRACT

ROOT = Path(__file__).parents[2] / "ingestion"
ORDERS = replace(CONTRACT, table="orders")


@pytest.mark.parametrize("of", ["replay", "unverified-dye", REPLACE_DAY])
def test_a_pipeline_waits_for_those_of_its_own_stream_alone(
    of: str, connect_as: Callable[..., connection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another dbt project on the same stream counts as the same; one with another table does not."""
    for name, contract in (("same", "taxi.contract:CONTRACT"), ("other", f"{__name__}:ORDERS")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dbt_project.yml").write_text(f"name: {name}\n")
        (tmp_path / name / "angiogram.yml").write_text(f"contract: {contract}\n")
    with connect_as("owner").cursor() as holder:
        lock_of_stream(holder, of, "pg_advisory_lock")
        holder.fetchall()
        with connect_as("owner").cursor() as query:
            taken = {}
            for name in ("same", "other"):
                monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path / name))
                lock_of_stream(query, of, "pg_try_advisory_xact_lock")
                taken[name] = query.fetchall()[0][0]
    assert taken == {"same": False, "other": True}


def test_every_command_on_raw_rows_takes_the_lock_of_its_stream() -> None:
    bare = re.compile(r"pg_(?:try_)?advisory_\w*lock\w*\(hashtext\('ingestion'\), hashtext\('(.+?)'\)")
    found = {lock for file in ROOT.rglob("*.py") for lock in bare.findall(file.read_text(encoding="utf-8"))}
    assert found == {"bootstrap", "migrate"}, "these are of a whole database; others are of a stream"
