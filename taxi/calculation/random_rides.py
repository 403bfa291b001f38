"""Random rides near every rule's boundary, always the same for the same seed.

Most fields of a ride are good, so that one odd field decides the result; a third of the rides are later versions of
earlier ones.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random

from angiogram.dye.seeds import UNKNOWN_FIELDS, DyeMessage
from taxi.calculation.reference import Reference
from taxi.calculation.rules import FIRST_START, LONGEST_LEAD, WHITE_SPACE
from taxi.contract import CONTRACT

FIRST_MOMENT = datetime(2026, 6, 1, 8, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CORRUPTIONS = f"0123456789.,:;+-_/TZtzexaAé{WHITE_SPACE}\u00a0\x08"
_AMOUNTS = (
    *(
        "0",
        "-0",
        "+0",
        "0.0001",
        "-0.0001",
        "0.00005",
        "-1",
        "+1",
        "1",
        "10.10",
        "9.9",
        "5.",
        ".5",
        ".",
        "-",
        "+",
        "00012",
    ),
    *(
        "9" * 16,
        "9" * 17,
        f"{'9' * 16}.9999",
        "0.12345",
        "1e3",
        "NaN",
        "Infinity",
        "1_000",
        "0x1F",
        "1,50",
        "12 5",
        "8.0050",
    ),
    *("0.0030", "0.0050", "19", "1X"),
)
_FRACTIONS = ("", "", "", ".0", ".5", ".000001", ".999999", ".123456", ".1234567", ".", ",5", "x5", ".9", ".0x")
_ZONES = (
    *("Z", "Z", "Z", "", "z", "+00:00", "-00:00", "+02:00", "-05:00", "+09:00", "+08:00", "+10:00", "+14:00", "+15:00"),
    *(
        "+15:59",
        "-15:59",
        "+16:00",
        "-16:00",
        "+05:60",
        "+05:45",
        "-09:30",
        "+0200",
        "+2:00",
        " Z",
        "Zx",
        "+19:00",
        "+01:65",
    ),
)
_CLOCKS = (
    "00:00:00",
    "23:59:59",
    "24:00:00",
    "23:60:00",
    "12:00:60",
    "09:30:00",
    "19:00:00",
    "20:59:59",
    "2:00:00",
    "12:65:00",
)
_DAYS = ("2024-02-29", "2025-02-29", "2024-02-30", "2024-13-01", "0001-01-01", "9998-12-31", "2025-6-01", "12025-06-01")


_TIMELESS = 29
"""Each ride whose number this divides is sent in a message without a time."""


def random_rides(number: int, reference: Reference, seed: int = 0) -> list[DyeMessage]:
    """Return `number` random rides in batches.

    Three fifths are batch 1, the others batch 2, and the last two are a batch of their own each.

    Args:
        number: how many.
        reference: gives the currencies, zip codes and car models, and the days on which rates change.
        seed: another seed gives other rides.
    """
    random = Random(seed)  # noqa: S311
    values = _Values(random, reference)
    rides: list[DyeMessage] = []
    for ride_number in range(1, number + 1):
        moment = FIRST_MOMENT + timedelta(minutes=random.randrange(number // 2 + 1))
        earlier = random.choice(rides) if rides and random.random() < 0.35 else None
        fields = values.version_of(earlier.fields, moment) if earlier else values.ride(moment)
        sent_at = earlier.sent_at if earlier and random.random() < 0.3 else moment
        rides.append(
            DyeMessage(
                number=ride_number,
                batch=_batch(ride_number, number),
                name=f"crowd-{seed}-{ride_number}",
                why="A random ride near a rule's boundary.",
                sent_at=None if ride_number % _TIMELESS == 0 else sent_at,
                fields=fields,
                json_fields=frozenset(),
            )
        )
    return rides


def _batch(ride_number: int, number: int) -> int:
    return 1 if ride_number <= number * 3 // 5 else 2 + max(0, ride_number - number + 2)


class _Values:
    def __init__(self, random: Random, reference: Reference) -> None:
        self._random = random
        self._currencies = [*reference.rates, *(code.lower() for code in reference.rates), "XTS", "US", "USDX"]
        self._zipcodes = [
            *reference.states,
            "99999",
            "00000",
            "1000",
            "100010",
            "10001-1234",
            "1000A",
            "90909",
            "09090",
        ]
        self._models = [*reference.car_models.values(), "DeLorean", "UNKNOWN", "Jeeps", "ToyotaCamry2"]
        days = {start for rates in reference.rates.values() for start, _ in rates if start.year > 2000}
        self._edges = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in sorted(days)] + [FIRST_START]

    def ride(self, sent_at: datetime) -> dict[str, str | None]:
        """Return a good ride with up to three odd fields."""
        random = self._random
        start = self._moment(sent_at)
        end = start + random.choice([timedelta(0), _MICROSECOND, -_MICROSECOND, *[timedelta(minutes=20)] * 6])
        fields: dict[str, str | None] = dict.fromkeys((*CONTRACT.fields, UNKNOWN_FIELDS))
        fields |= {
            "taxi_id": f"T-{random.randrange(40)}",
            "pax_id": f"P-{random.randrange(200)}",
            "start_time": _written(start, "T", "Z"),
            "end_time": _written(end, "T", "Z"),
            "pickup_zipcode": random.choice(self._zipcodes[:-8]),
            "dropoff_zipcode": random.choice(self._zipcodes[:-8]),
            "tax_amount": f"{random.randrange(2000) / 100:.2f}",
            "fare_amount": f"{random.randrange(20000) / 100:.2f}",
            "currency": random.choice(self._currencies[: len(self._currencies) // 2 - 1]),
            "car_model": random.choice(self._models[:-4]),
        }
        odd = random.choices(range(4), (30, 50, 15, 5))[0]
        for name in random.sample(list(fields)[:10], odd):
            fields[name] = self._odd(name, fields[name] or "", start)
        return fields

    def version_of(self, earlier: Mapping[str, str | None], sent_at: datetime) -> dict[str, str | None]:
        """Return the same ride again, with changes.

        The changes are other amounts, model or zip code, or another spelling of its key.
        """
        fields = dict(earlier)
        for name in self._random.sample(list(fields)[:10], self._random.randrange(3)):
            if name in ("taxi_id", "pax_id") and (value := fields[name]):
                fields[name] = self._padded(value)
            elif name not in ("start_time", "end_time"):
                fields[name] = self.ride(sent_at)[name]
        return fields

    def _moment(self, sent_at: datetime) -> datetime:
        random = self._random
        if random.random() < 0.1:
            return (
                sent_at + LONGEST_LEAD + random.choice([timedelta(0), _MICROSECOND, -_MICROSECOND, timedelta(hours=1)])
            )
        if random.random() < 0.5:
            return random.choice(self._edges) + random.choice(
                [timedelta(0), _MICROSECOND, -_MICROSECOND, timedelta(hours=6), timedelta(hours=-6), timedelta(days=-1)]
            )
        return FIRST_START + timedelta(seconds=random.randrange(883 * 86_400))

    def _odd(self, name: str, value: str, start: datetime) -> str | None:
        random = self._random
        way = random.random()
        if way < 0.08:
            return None
        if way < 0.16:
            return "".join(random.choices(WHITE_SPACE, k=random.randrange(3)))
        if way < 0.36:
            return self._padded(value)
        if way < 0.55 and value:
            return self._corrupted(value)
        match name:
            case "start_time" | "end_time":
                return self._odd_time(start)
            case "tax_amount" | "fare_amount":
                return random.choice(_AMOUNTS)
            case "currency":
                return random.choice(self._currencies)
            case "pickup_zipcode" | "dropoff_zipcode":
                return random.choice(self._zipcodes)
            case "car_model":
                model = random.choice(self._models)
                spaced = "".join(c if random.random() < 0.8 else c + random.choice(WHITE_SPACE) for c in model)
                return random.choice([model.upper(), model.lower(), spaced, spaced.swapcase()])
        return value.swapcase()

    def _odd_time(self, start: datetime) -> str:
        random = self._random
        day = random.choice(_DAYS) if random.random() < 0.15 else start.date().isoformat()
        clock = random.choice(_CLOCKS) if random.random() < 0.4 else start.time().isoformat("seconds")
        return day + random.choice("TTT t") + clock + random.choice(_FRACTIONS) + random.choice(_ZONES)

    def _padded(self, value: str) -> str:
        ends: list[str] = [*WHITE_SPACE, "", "", "\u00a0"]
        return self._random.choice(ends) + value + self._random.choice(ends)

    def _corrupted(self, value: str) -> str:
        random = self._random
        at = random.randrange(len(value) + 1)
        character = random.choice(_CORRUPTIONS)
        return random.choice(
            [
                value[:at] + character + value[at:],
                value[:at] + character + value[at + 1 :],
                value[:at] + value[at + 1 :],
            ]
        )


def _written(moment: datetime, separator: str, zone: str) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(separator) + zone
