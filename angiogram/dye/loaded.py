"""Compares what the loader stored of a run with the input seeds, field by field."""

import base64
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from angiogram.core.differences import Difference
from angiogram.dye.messages import OutgoingMessage, Sent
from angiogram.dye.seeds import UNKNOWN_FIELDS
from ingestion.settings.pipeline import contract

DEAD_LETTERS = "dead_letters"


def loaded_rows(database: connection, run_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read the messages and dead letters that the loader stored of a run, with their numbers.

    Args:
        database: as role angiogram.
        run_id: the run's id.
    """
    promised = contract()
    columns = sql.SQL(", ").join(map(sql.Identifier, (*promised.fields, UNKNOWN_FIELDS)))
    number = sql.Identifier(promised.number_column)
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(
            sql.SQL('select {} as number, sent_at, "partition", "offset", {} from {} where run_id = %s').format(
                number, columns, sql.Identifier("angiogram_raw", promised.table)
            ),
            (run_id,),
        )
        messages = [dict(row) for row in query.fetchall()]
        query.execute(
            sql.SQL(
                'select {} as number, sent_at, "partition", "offset", reason, value'
                " from angiogram_raw.dead_letters where run_id = %s"
            ).format(number),
            (run_id,),
        )
        letters = [dict(row) for row in query.fetchall()]
    return messages, letters


def offsets_reached(database: connection, topic_id: str) -> dict[int, int]:
    """The next offset to load in each partition of a topic.

    A partition from which nothing was loaded is absent.

    Args:
        database: as a role that reads raw.loaded_offsets.
        topic_id: the topic's id.
    """
    with database.cursor() as query:
        query.execute('select "partition", next_offset from raw.loaded_offsets where topic_id = %s', (topic_id,))
        return dict(query.fetchall())


def judge_loaded(
    sent: Sequence[Sent],
    dye: Mapping[str, OutgoingMessage],
    messages: Sequence[dict[str, Any]],
    letters: Sequence[dict[str, Any]],
) -> list[Difference]:
    """Compare what the loader stored, field by field, with the input seeds.

    Args:
        sent: the result of each send. Refused messages are not expected.
        dye: the messages of the dye by name.
        messages, letters: what the loader stored, from loaded_rows.
    """
    stored: dict[int, list[dict[str, Any]]] = defaultdict(list)
    table = contract().table
    for row in messages:
        stored[row["number"]].append(_comparable(row, table))
    for row in letters:
        stored[row["number"]].append(_comparable(row, DEAD_LETTERS))
    differences: list[Difference] = []
    for place in sent:
        if place.refusal is not None:
            continue
        key = {"message_id": str(place.number)}
        expected = _expected_row(place, dye[place.name], table)
        actual = stored.pop(place.number, [])
        if not actual:
            differences.append(Difference("missing", key, None, _json(expected), None))
        elif len(actual) > 1:
            differences.append(Difference("multiplicity", key, None, "1", str(len(actual))))
        else:
            differences += _changed_cells(key, expected, actual[0])
    for number, rows in stored.items():
        differences.append(Difference("unexpected", {"message_id": str(number)}, None, None, _json(rows[0])))
    return differences


def _expected_row(place: Sent, dye: OutgoingMessage, table: str) -> dict[str, Any]:
    row: dict[str, Any] = {"table": DEAD_LETTERS if dye.is_malformed else table}
    row |= {"partition": place.partition, "offset": place.offset, "sent_at": _utc(dye.sent_at), **dye.row}
    if dye.is_malformed:
        row["value"] = None if dye.value is None else base64.b64encode(dye.value).decode()
    else:
        row[UNKNOWN_FIELDS] = _parsed(dye.row[UNKNOWN_FIELDS])
    return row


def _comparable(row: dict[str, Any], table: str) -> dict[str, Any]:
    comparable = {name: value for name, value in row.items() if name != "number"}
    comparable |= {"table": table, "sent_at": _utc(row["sent_at"])}
    if table == DEAD_LETTERS:
        comparable["value"] = None if row["value"] is None else base64.b64encode(row["value"]).decode()
    else:
        comparable[UNKNOWN_FIELDS] = _parsed(row[UNKNOWN_FIELDS])
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
    """Parse a JSON text, so that its layout does not matter. Return any other text as it is."""
    try:
        return None if text is None else json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        return text


def _utc(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat() if instant else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
