"""Faults before dbt: at the front door, on the topic, in the loader."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import LiteralString

from kafka import TopicPartition
from psycopg2.extensions import cursor

from angiogram.core.errors import FaultNotPlanted
from angiogram.core.stage_id import API, CHECKPOINT, LOADER_STAGE, TOPIC, StageId
from angiogram.dye.checkpoints import UNVERIFIED_IS_RELEASED
from angiogram.dye.messages import read_whole_dye
from angiogram.dye.seeds import read_malformed
from angiogram.faults.door import Parcel
from angiogram.faults.fault import Fault, Ground, Step, Tamper, as_owner, change_loaded, number_of, places
from ingestion.loader.run import load_until_caught_up
from ingestion.message.stamp import DYE_HEADERS, SIGNATURE_HEADER, DyeStamp
from ingestion.settings import DyeKeys, KafkaSettings
from ingestion.topic.admin import open_admin, topic_id
from ingestion.topic.producer import MessageProducer
from taxi.contract import CONTRACT

_API, _TOPIC, _LOADER = (str(StageId(kind, CONTRACT.stream)) for kind in (API, TOPIC, LOADER_STAGE))


def _at_door(name: str, description: str, tamper: Tamper) -> Fault:
    def plant(ground: Ground) -> None:
        ground.tamper = tamper

    return Fault(name, description, (_API,), plant)


def _in_body(old: bytes, new: bytes) -> Tamper:
    return lambda parcel: [parcel.with_body(parcel.body.replace(old, new))]


def _only(ride_name: str, change: Callable[[Parcel], list[Parcel]]) -> Tamper:
    return lambda parcel: change(parcel) if parcel.number == number_of(ride_name) else [parcel]


def _with_field(ride_name: str, name: str, change: Callable[[str], object]) -> Tamper:
    """Change one field of one ride."""

    def tamper(parcel: Parcel) -> list[Parcel]:
        ride = json.loads(parcel.body)
        ride[name] = change(ride[name])
        return [parcel.with_body(json.dumps(ride, ensure_ascii=False, separators=(",", ":")).encode())]

    return _only(ride_name, tamper)


def _without_headers(parcel: Parcel) -> list[Parcel]:
    return [Parcel(parcel.body, {n: v for n, v in parcel.headers.items() if n not in DYE_HEADERS})]


def _with_forged_signature(parcel: Parcel) -> list[Parcel]:
    return [Parcel(parcel.body, parcel.headers | {SIGNATURE_HEADER: "0" * 64})]


def _cents(text: str) -> str:
    return str(int(float(text) * 100))


AT_THE_DOOR = [
    _at_door(
        "api-acknowledges-without-publishing",
        "The API answers 202 and publishes nothing.",
        _only("jeep-good", lambda _: []),
    ),
    _at_door(
        "api-publishes-twice", "The API publishes a ride twice.", _only("jeep-good", lambda parcel: [parcel, parcel])
    ),
    _at_door(
        "message-cut-off",
        "A ride arrives without its last bytes.",
        _only("jeep-good", lambda p: [p.with_body(p.body[:-9])]),
    ),
    _at_door("header-lost", "A ride arrives without its dye headers.", _only("jeep-good", _without_headers)),
    _at_door(
        "header-forged-on-the-way",
        "A ride arrives with a signature that does not verify.",
        _only("jeep-good", _with_forged_signature),
    ),
    _at_door("field-renamed", "The field fare_amount arrives as fare.", _in_body(b'"fare_amount":', b'"fare":')),
    _at_door(
        "field-retyped",
        "The zip code becomes a number and loses its zero.",
        _with_field("start-24-hours-ahead", "pickup_zipcode", int),
    ),
    _at_door("unit-changed-to-cents", "Fares arrive in cents.", _with_field("ordinary-benz", "fare_amount", _cents)),
    _at_door(
        "decimal-comma",
        "Fares arrive with a decimal comma.",
        _with_field("ordinary-benz", "fare_amount", lambda t: t.replace(".", ",")),
    ),
    _at_door(
        "time-zone-shifted",
        "A start time arrives in another time zone.",
        _with_field("ordinary-benz", "start_time", lambda t: t.replace("Z", "-05:00")),
    ),
]


def _plant_loss(ground: Ground) -> None:
    """Delete the first messages of a partition, and accept the gap afterwards.

    Otherwise the dye of later faults would not be loaded.
    """
    ground.before("check_topic", _delete_from_topic)
    ground.undo(lambda: load_until_caught_up(accept_loss=True))


def _delete_from_topic(run_id: str) -> None:
    place = next(place for place in places(run_id) if place.name == "jeep-good")
    kafka = KafkaSettings.from_environment()
    with closing(open_admin(kafka)) as admin:
        admin.delete_records({TopicPartition(kafka.topic, place.partition): (place.offset or 0) + 1})


def _double_on_topic(run_id: str) -> None:
    malformed = read_malformed()[0]
    item = next(dye for dye in read_whole_dye() if dye.number == malformed.number)
    _publish_signed(run_id, item.number, item.value)


def _publish_unknown(run_id: str) -> None:
    _publish_signed(run_id, 777_777, b'{"taxi_id":"T-99"}')


def _publish_signed(run_id: str, number: int, value: bytes | None) -> None:
    key = DyeKeys.from_environment().accepted()[0]
    sent_at = read_whole_dye()[0].sent_at
    with MessageProducer() as producer:
        producer.publish(value, None, DyeStamp(run_id, number, sent_at).headers(key, value or b""))


def _on_topic(name: str, description: str, act: Callable[[str], None]) -> Fault:
    return Fault(name, description, (_TOPIC,), lambda ground: ground.before("check_topic", act))


def _publish_forged(run_id: str) -> None:
    value, sent_at = b'{"taxi_id":"T-98"}', read_whole_dye()[0].sent_at
    with MessageProducer() as producer:
        producer.publish(value, None, DyeStamp(run_id, 777_778, sent_at).headers(b"a forger's own key", value))


ON_THE_TOPIC = [
    Fault("message-lost", "The topic deletes messages before they are loaded.", (_TOPIC,), _plant_loss),
    _on_topic("message-doubled", "A message is on the topic twice.", _double_on_topic),
    _on_topic("message-from-nowhere", "The topic holds a signed message that this run never sent.", _publish_unknown),
    Fault(
        "forged-dye-header",
        "A live message carries dye headers of this run with a false signature.",
        (str(StageId(CHECKPOINT, UNVERIFIED_IS_RELEASED)),),
        lambda ground: ground.before("check_topic", _publish_forged),
    ),
]


def _skip_partition(run_id: str) -> None:
    """Make the loader believe that it has loaded a partition to its end."""
    sent = [place for place in places(run_id) if place.partition is not None]
    partition = sent[0].partition
    end = max((place.offset or 0) + 1 for place in sent if place.partition == partition)

    def act(query: cursor) -> None:
        place = {
            **{"id": str(topic_id()), "topic": KafkaSettings.from_environment().topic},
            **{"partition": partition, "end": end},
        }
        query.execute(
            "insert into raw.loaded_totals as t"
            ' (topic_id, topic, "partition", kafka_topic_id, next_offset, empty_offsets)'
            " values (%(id)s, %(topic)s, %(partition)s, %(id)s, %(end)s, %(end)s)"
            ' on conflict (topic_id, "partition") do update set next_offset = excluded.next_offset,'
            " empty_offsets = t.empty_offsets + excluded.next_offset - t.next_offset",
            place,
        )
        query.execute(
            'insert into raw.loaded_offsets (topic_id, topic, "partition", next_offset, stored_as)'
            " values (%(id)s, %(topic)s, %(partition)s, %(end)s, %(id)s)"
            ' on conflict (topic_id, "partition") do update set next_offset = excluded.next_offset',
            place,
        )

    as_owner(act)


def _in_loader(name: str, description: str, statement: LiteralString, before: Step = "check_loaded") -> Fault:
    return Fault(name, description, (_LOADER,), lambda ground: ground.before(before, change_loaded(statement)))


_FAR = 1_000_000_000
"""Added to the offset of a row that is stored twice, so that its place is free."""


def _plant_double(ground: Ground) -> None:
    """Store every ride twice.

    The copies go afterwards: no loader goes on below offsets that are stored.
    """
    ground.before(
        "check_loaded",
        change_loaded(
            "insert into angiogram_raw.taxi_rides select taxi_id, pax_id, start_time, end_time, pickup_zipcode,"
            " dropoff_zipcode, tax_amount, fare_amount, currency, car_model, unknown_fields, topic, topic_id,"
            ' "partition", "offset" + 1000000000,'
            " message_at, loaded_at, run_id, ride_number, sent_at from angiogram_raw.taxi_rides"
            " where run_id = %(run_id)s"
        ),
    )
    ground.undo(
        lambda: as_owner(
            lambda query: query.execute('delete from angiogram_raw.taxi_rides where "offset" >= %s', (_FAR,))
        )
    )


def _plant_yesterday(ground: Ground) -> None:
    """Show the models an earlier run's rides beside those of the active run."""
    view = "angiogram_raw.rides_in_hand"
    condition = "runs.run_id = rides.run_id"

    def act(run_id: str) -> None:
        def replace_view(query: cursor) -> None:
            query.execute("select pg_get_viewdef(%s::regclass)", (view,))
            ((text,),) = query.fetchall()
            if condition not in text:
                raise FaultNotPlanted(f"The view {view} does not join by {condition}.")
            query.execute(
                "create temporary table yesterday on commit drop as"
                " select * from angiogram_raw.taxi_rides where run_id = %s",
                (run_id,),
            )
            query.execute("update yesterday set run_id = 'yesterday', topic_id = gen_random_uuid()")
            query.execute("insert into angiogram_raw.taxi_rides select * from yesterday on conflict do nothing")
            query.execute(f"create or replace view {view} as " + text.replace(condition, "rides.run_id is not null"))
            ground.undo(lambda: as_owner(lambda again: again.execute(f"create or replace view {view} as {text}")))

        as_owner(replace_view)

    ground.before("build_batch_1", act)


IN_THE_LOADER = [
    Fault(
        "loader-skips-a-partition",
        "The loader skips a whole partition.",
        (_LOADER,),
        lambda g: g.before("load", _skip_partition),
    ),
    Fault("loader-loads-twice", "The loader stores each ride twice.", (_LOADER,), _plant_double),
    _in_loader(
        "loader-loses-a-ride",
        "The loader does not store one ride.",
        "delete from angiogram_raw.taxi_rides where run_id = %(run_id)s and ride_number = 8",
    ),
    _in_loader(
        "loader-truncates-text",
        "The loader cuts car models to four letters.",
        "update angiogram_raw.taxi_rides set car_model = left(car_model, 4)"
        " where run_id = %(run_id)s and length(car_model) > 4",
    ),
    _in_loader(
        "loader-swaps-columns",
        "The loader swaps pickup and dropoff zip codes.",
        "update angiogram_raw.taxi_rides set pickup_zipcode = dropoff_zipcode, dropoff_zipcode = pickup_zipcode"
        " where run_id = %(run_id)s",
    ),
    _in_loader(
        "loader-reads-numbers-as-floats",
        "The loader cuts the last digits of long amounts.",
        "update angiogram_raw.taxi_rides set fare_amount = (fare_amount::float8)::text"
        " where run_id = %(run_id)s and fare_amount ~ '^[0-9]{15,16}[.][0-9]{4}$'",
    ),
    _in_loader(
        "loader-takes-empty-for-null",
        "The loader stores empty text as null.",
        "update angiogram_raw.taxi_rides set tax_amount = null where run_id = %(run_id)s and tax_amount = ''",
    ),
    _in_loader(
        "loader-drops-unknown-fields",
        "The loader does not store fields outside the contract.",
        "update angiogram_raw.taxi_rides set unknown_fields = null"
        " where run_id = %(run_id)s and unknown_fields is not null",
    ),
    _in_loader(
        "loader-drops-dead-letters",
        "The loader drops dead letters without a trace.",
        "delete from angiogram_raw.dead_letters where run_id = %(run_id)s",
    ),
    _in_loader(
        "loader-shifts-time",
        "The loader stores the sending time an hour late.",
        "update angiogram_raw.taxi_rides set sent_at = sent_at + interval '1 hour' where run_id = %(run_id)s",
    ),
    _in_loader(
        "rows-changed-after-the-check",
        "A stored fare changes between the loader's check and dbt.",
        "update angiogram_raw.taxi_rides set fare_amount = '99.99' where run_id = %(run_id)s and ride_number = 1",
        "build_batch_1",
    ),
    Fault("yesterdays-dye-answers", "The models see rides of an earlier run.", (_LOADER,), _plant_yesterday),
]

FAULTS = [*AT_THE_DOOR, *ON_THE_TOPIC, *IN_THE_LOADER]
