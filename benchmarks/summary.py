"""Summarise the runs of the contenders, and compare them with the targets."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks import contenders as named
from benchmarks.measure import Contender, Passage


@dataclass(frozen=True)
class Result:
    """All runs of one contender.

    Attributes:
        name: its name.
        settings: its settings.
        rates: rows per second of each run, including start-up.
        rates_without_start_up: rows per second from the first row on.
        start_up_seconds: median time to the first row.
        pss_mb: peak memory of its processes together (proportional set size), in MB.
        cpu_seconds: median processor seconds of its processes.
        server_cpu_seconds: median processor seconds of each server.
        rows: rows of each run.
    """

    name: str
    settings: str
    rates: tuple[float, ...]
    rates_without_start_up: tuple[float, ...]
    start_up_seconds: float
    pss_mb: float
    cpu_seconds: float
    server_cpu_seconds: dict[str, float]
    rows: int

    @property
    def median(self) -> float:
        """Median rows per second."""
        return median(self.rates)

    @property
    def median_without_start_up(self) -> float:
        """Median rows per second from the first row on."""
        return median(self.rates_without_start_up)

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        values = asdict(self)
        del values["rates"], values["rates_without_start_up"]
        return {
            **values,
            "rows_per_second": _spread(self.rates),
            "rows_per_second_without_start_up": _spread(self.rates_without_start_up),
        }


def result(contender: Contender, passages: list[Passage]) -> Result:
    """Summarise a contender's runs."""
    servers = passages[0].server_cpu_seconds
    return Result(
        contender.name,
        contender.settings,
        tuple(p.rate for p in passages),
        tuple(p.rate_without_start_up for p in passages),
        median(p.start_up_seconds for p in passages),
        max(p.memory_mb for p in passages),
        median(p.cpu_seconds for p in passages),
        {server: median(p.server_cpu_seconds[server] for p in passages) for server in servers},
        contender.rows,
    )


@dataclass(frozen=True)
class Target:
    """A target, what was measured, and whether it is met.

    Attributes:
        what: what is measured.
        wanted: the target value.
        measured: the measured value.
        met: whether the target is met.
        limit: the ratio that the machine would allow: ours at the rate at which its parts' processor seconds fill all
            cores; None where no such limit is known.
        running: the ratio from the first row on, without start-up on both sides; None if it is not one of two rates.
    """

    what: str
    wanted: str
    measured: str
    met: bool
    limit: float | None = None
    running: float | None = None


def targets(results: Mapping[str, Result], cores: int) -> list[Target]:
    """The targets whose contenders took part."""
    found: list[Target] = []

    def at_least(what: str, wanted: float, one: str, other: str, of: Callable[[Result], float] = _median) -> None:
        if one in results and other in results:
            ratio, running = (rate(results[one]) / rate(results[other]) for rate in (of, _median_running))
            possible = possible_rate(results, cores, fast=one == named.FASTER)
            limited = one in (named.DEFAULT, named.FASTER) and of is _median
            limit = possible / of(results[other]) if possible and limited else None
            found.append(Target(what, f"≥ {wanted:g}", f"{ratio:.2f}", ratio >= wanted, limit, running))

    at_least("our loader ÷ kafka-python's consumer alone", 0.95, named.DEFAULT, named.CONSUMER)
    at_least("one worker ÷ kafka-python's consumer alone", 0.6, named.ONE_WORKER, named.CONSUMER)
    if share := _share_of_possible(results, cores):
        found.append(Target("share of what its parts' CPU seconds allow", "≥ 0.85", f"{share:.2f}", share >= 0.85))
    best = max((r for r in results.values() if r.name.startswith("Debezium")), key=_median, default=None)
    if best:
        at_least(f"our loader ÷ {best.name}", 1.8, named.DEFAULT, best.name)
        at_least("the same without start-up", 1.25, named.DEFAULT, best.name, _median_running)
        at_least(f"faster client ÷ {best.name}", 2.5, named.FASTER, best.name)
    best = max((r for r in results.values() if r.name.startswith("dlt")), key=_median, default=None)
    if best:
        at_least(f"our loader ÷ {best.name}", 2.5, named.DEFAULT, best.name)
    for name in results:
        if name.startswith("Quix") or name in (named.EXECUTEMANY, named.EXECUTE_VALUES):
            at_least(f"our loader ÷ {name}", 5, named.DEFAULT, name)
    at_least("faster client ÷ our loader", 1.4, named.FASTER, named.DEFAULT)
    at_least("faster client ÷ COPY alone, ten columns", 0.42, named.FASTER, named.COPY_TEN)
    at_least("1 % poison ÷ clean", 0.7, named.POISON, named.DEFAULT)
    for name, limit in ((named.DEFAULT, 300), (named.LONG, 300), (named.FASTER, 400), (named.LONG_FASTER, 400)):
        if name in results:
            used = results[name].pss_mb
            found.append(Target(f"memory of {name}, MB", f"≤ {limit}", f"{used:.0f}", used <= limit))
    if named.LONG in results and named.DEFAULT in results:
        times = 4 * results[named.DEFAULT].median / results[named.LONG].median
        found.append(Target("time for four times the rides", "≤ 4.2", f"{times:.2f}", times <= 4.2))
    return found


def possible_rate(results: Mapping[str, Result], cores: int, fast: bool = False) -> float | None:
    """Rows per second if the processor seconds of all parts filled all cores.

    Args:
        results: results of all contenders.
        cores: number of cores of the machine.
        fast: whether the faster client is used.
    """
    wanted = (named.FAST_CONSUMER if fast else named.CONSUMER, named.PARSE, named.COPY_RAW)
    if not all(name in results for name in wanted):
        return None
    reading, parsing, copying = (results[name] for name in wanted)
    seconds = (
        (reading.cpu_seconds + reading.server_cpu_seconds["kafka"]) / reading.rows
        + parsing.cpu_seconds / parsing.rows
        + (copying.server_cpu_seconds["postgres"]) / copying.rows
    )
    return cores / seconds


def _share_of_possible(results: Mapping[str, Result], cores: int) -> float | None:
    possible = possible_rate(results, cores)
    return results[named.DEFAULT].median / possible if possible and named.DEFAULT in results else None


def _median(one: Result) -> float:
    return one.median


def _median_running(one: Result) -> float:
    return one.median_without_start_up


def _spread(rates: tuple[float, ...]) -> dict[str, int]:
    return {"min": round(min(rates)), "median": round(median(rates)), "max": round(max(rates))}
