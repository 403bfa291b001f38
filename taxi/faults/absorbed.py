"""Changes that a correct pipeline absorbs, and that must leave the verdict healthy."""

from datetime import UTC, datetime

from angiogram.dbt.seeds.dye_seeds import expected_folder
from angiogram.dbt.seeds.seed_text import write_expected
from angiogram.dye.calculation import expected_by
from angiogram.dye.messages import OutgoingMessage, read_whole_dye
from angiogram.faults.fault import Fault, Ground, number_of
from ingestion.loader.run import load_until_caught_up
from ingestion.message.stamp import DyeStamp
from ingestion.settings import DyeKeys
from ingestion.topic.producer import MessageProducer
from taxi.calculation import CALCULATION
from taxi.traffic import generate

_TRAFFIC = 300
_LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


def _reordered(dye: list[OutgoingMessage]) -> list[OutgoingMessage]:
    """Return each batch in reverse order of time, with rides that have no time first.

    Rides of the same time keep their order, which decides which is newer.
    """
    rides = [item for item in dye if not item.is_malformed]
    batches = [[item for item in rides if item.batch == number] for number in (1, 2)]
    backwards = [sorted(batch, key=lambda item: item.sent_at or _LAST_MOMENT, reverse=True) for batch in batches]
    return [*backwards[0], *backwards[1], *(item for item in dye if item.is_malformed)]


def _late(dye: list[OutgoingMessage]) -> list[OutgoingMessage]:
    """Make some ordinary rides arrive last in their batch."""
    late = {number_of("ordinary-benz"), number_of("jeep-good"), number_of("late-ride-of-an-old-day")}
    ordered: list[OutgoingMessage] = []
    for number in (1, 2):
        batch = [item for item in dye if item.batch == number and not item.is_malformed]
        ordered += sorted(batch, key=lambda item: item.number in late)
    return [*ordered, *(item for item in dye if item.is_malformed)]


def _plant_order(ground: Ground) -> None:
    ground.order = _reordered


def _plant_late(ground: Ground) -> None:
    ground.order = _late


def _plant_replayed(ground: Ground) -> None:
    def publish(_: str) -> None:
        item = read_whole_dye()[0]
        value = (item.value or b"").replace(b"T-01", b"T-0X")
        key = DyeKeys.from_environment().accepted()[0]
        stamp = DyeStamp("20200101T000000Z-000000", item.number, item.sent_at)
        with MessageProducer() as producer:
            producer.publish(value, None, stamp.headers(key, value))

    ground.before("check_topic", publish)


def _plant_traffic(ground: Ground) -> None:
    def send(dirty: float) -> None:
        generate(_TRAFFIC, seed=7, dirty=dirty)

    ground.before("inject", lambda _: send(0.0))
    ground.before("check_topic", lambda _: send(0.3))
    ground.before("load", lambda _: send(0.0))


def _plant_second_load(ground: Ground) -> None:
    for _ in range(2):
        ground.before("load", lambda _: _load())
    ground.before("build_batch_1", lambda _: _load())


def _load() -> None:
    load_until_caught_up()


def _plant_garbage(ground: Ground) -> None:
    def publish(_: str) -> None:
        with MessageProducer() as producer:
            for value in (None, b"", b"\xff\xfe", b"[]", b'{"taxi_id":"\\u0000"}', b"{" * 50):
                producer.publish(value)

    ground.before("check_topic", publish)


def _plant_reference_change(ground: Ground) -> None:
    ground.edit("seeds/reference/zipcodes.csv", ("84101,Utah", "84101,Idaho"))
    ground.edit("seeds/reference/exchange_rates.csv", ("CAD,2025-01-01,0.6952", "CAD,2025-01-01,0.6953"))
    write_expected(expected_folder(ground.project), expected_by(CALCULATION, ground.project))


def _plant_rewriting(ground: Ground) -> None:
    ground.edit("models/facts/fct_rides.sql", ("where newness = 1", "where not newness > 1"))
    ground.edit("models/revenue/revenue_by_state.sql", ("group by pickup_state, currency", "group by 2, 1"))


FAULTS = [
    Fault("messages-reordered", "Each batch of rides arrives in reverse order.", (), _plant_order),
    Fault("messages-late", "Rides arrive after others that were sent later.", (), _plant_late),
    Fault("load-repeated", "The loader runs three times.", (), _plant_second_load),
    Fault(
        "dye-of-an-earlier-run-replayed", "A genuine dye message of an earlier run is sent again.", (), _plant_replayed
    ),
    Fault("live-traffic", "Live rides, clean and dirty, arrive before, among and after the dye.", (), _plant_traffic),
    Fault("live-garbage", "Live messages that are not rides arrive among the dye.", (), _plant_garbage),
    Fault(
        "reference-data-changed-with-its-seeds",
        "Zip codes and rates change, and the expected seeds with them.",
        (),
        _plant_reference_change,
    ),
    Fault("models-rewritten-alike", "Models are rewritten without a change of meaning.", (), _plant_rewriting),
]
