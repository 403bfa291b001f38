"""What the loader stored of a run, compared field by field with the input seeds."""

import base64
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from angiogram.differences import Difference
from angiogram.inject import Dye, Sent
from ingestion.message.stamp import FIELDS


def loaded_rows(database: connection, run_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the loader stored of a run: rides and dead letters.

    Args:
        database: as role angiogram.
        run_id: whose.
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, (*FIELDS, "unknown_fields")))
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(
            sql.SQL(
                'select ride_number, sent_at, "partition", "offset", {} from angiogram_raw.taxi_rides where run_id = %s'
            ).format(columns),
            (run_id,),
        )
        rides = [dict(row) for row in query.fetchall()]
        query.execute(
            'select ride_number, sent_at, "partition", "offset", reason, value'
            " from angiogram_raw.dead_letters where run_id = %s",
            (run_id,),
        )
        letters = [dict(row) for row in query.fetchall()]
    return rides, letters


def offsets_reached(database: connection, topic_id: str) -> dict[int, int]:
    """The next offset to load of each partition of a topic; a partition of which nothing was loaded is absent.

    Args:
        database: as a role that reads raw.loaded_offsets.
        topic_id: whose.
    """
    with database.cursor() as query:
        query.execute('select "partition", next_offset from raw.loaded_offsets where topic_id = %s', (topic_id,))
        return dict(query.fetchall())


def judge_loaded(
    sent: Sequence[Sent], dye: Mapping[str, Dye], rides: Sequence[dict[str, Any]], letters: Sequence[dict[str, Any]]
) -> list[Difference]:
    """Compare what the loader stored, field by field, with the input seeds.

    Args:
        sent: what became of each send; refused messages are not expected.
        dye: by name.
        rides, letters: see loaded_rows.
    """
    stored: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rides:
        stored[row["ride_number"]].append(_comparable(row, "taxi_rides"))
    for row in letters:
        stored[row["ride_number"]].append(_comparable(row, "dead_letters"))
    differences: list[Difference] = []
    for place in sent:
        if place.refusal is not None:
            continue
        key = {"message_id": str(place.ride_number)}
        expected = _expected_row(place, dye[place.name])
        actual = stored.pop(place.ride_number, [])
        if not actual:
            differences.append(Difference("missing", key, None, _json(expected), None))
        elif len(actual) > 1:
            differences.append(Difference("multiplicity", key, None, "1", str(len(actual))))
        else:
            differences += _changed_cells(key, expected, actual[0])
    for number, rows in stored.items():
        differences.append(Difference("unexpected", {"message_id": str(number)}, None, None, _json(rows[0])))
    return differences


def _expected_row(place: Sent, dye: Dye) -> dict[str, Any]:
    row: dict[str, Any] = {"table": "dead_letters" if dye.is_malformed else "taxi_rides"}
    row |= {"partition": place.partition, "offset": place.offset, "sent_at": _utc(dye.sent_at), **dye.row}
    if dye.is_malformed:
        row["value"] = None if dye.value is None else base64.b64encode(dye.value).decode()
    else:
        row["unknown_fields"] = _parsed(dye.row["unknown_fields"])
    return row


def _comparable(row: dict[str, Any], table: str) -> dict[str, Any]:
    comparable = {name: value for name, value in row.items() if name != "ride_number"}
    comparable |= {"table": table, "sent_at": _utc(row["sent_at"])}
    if table == "dead_letters":
        comparable["value"] = None if row["value"] is None else base64.b64encode(row["value"]).decode()
    else:
        comparable["unknown_fields"] = _parsed(row["unknown_fields"])
    return comparable


def _changed_cells(key: dict[str, Any], expected: dict[str, Any], actual: dict[str, Any]) -> list[Difference]:
    if expected["table"] != actual["table"]:
        return [Difference("changed", key, "table", _json(expected), _json(actual))]
    return [
        Difference("changed", key, column, _json(cell), _json(actual.get(column)))
        for column, cell in expected.items()
        if cell != actual.get(column)
    ]


def _parsed(text: str | None) -> Any:
    """The members that a JSON text has, however it is laid out; a text that is none stays as it is."""
    try:
        return None if text is None else json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        return text


def _utc(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat() if instant else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
