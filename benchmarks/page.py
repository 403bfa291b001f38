"""Write docs/benchmarks.md from the results."""

import os
import platform
from datetime import UTC, datetime

from benchmarks import contenders as named
from benchmarks.summary import Result, possible_rate, targets
from ingestion.loader.workers import cores


def page(results: list[Result], failures: dict[str, str], rides: int, rounds: int) -> str:
    """The page, as Markdown."""
    by_name = {result.name: result for result in results}
    parts = [
        "# Benchmarks of the loader",
        f"Written by `make bench` on {datetime.now(UTC):%d %B %Y}: {cores()} cores shared by Kafka, PostgreSQL and the "
        f"contender, {platform.system()} {platform.machine()}, load average before the last passage's end "
        f"{os.getloadavg()[2]:.1f}. One topic of {rides:,} rides (about 270 bytes, lz4, 4 partitions), {rounds} "
        "passages each, tools in turn, every table empty at the start. "
        "Rows/s run from the start of the process to the last row; start-up is the time to the first row. "
        "Memory is the highest proportional set size of all processes of the contender together. "
        "Our loader writes 16 columns and a primary key, keeps dead letters and moves offsets in the same transaction; "
        "the peers and loops write the ten columns into a table without a key.",
        _results(results),
    ]
    if failures:
        rows = [f"| {name} | {_cell(why)} |" for name, why in failures.items()]
        parts.append("\n".join(["## Could not be measured", "", "| contender | why |", "|---|---|", *rows]))
    parts.append(_targets(by_name))
    parts.append(_where_time_goes(by_name))
    return "\n\n".join(part for part in parts if part) + "\n"


def _results(results: list[Result]) -> str:
    lines = [
        "| contender | settings | rows/s min | median | max | start-up s | median without start-up | memory MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in results:
        lines.append(
            f"| {one.name} | {_cell(one.settings)} | {min(one.rates):,.0f} | **{one.median:,.0f}** | "
            f"{max(one.rates):,.0f} | {one.start_up_seconds:.1f} | {one.median_without_start_up:,.0f} | "
            f"{one.pss_mb:,.0f} |"
        )
    return "\n".join(lines)


def _targets(results: dict[str, Result]) -> str:
    lines = [
        "## Targets",
        "",
        "| target (ratio of medians) | wanted | measured | | limit here | measured from the first row on |",
        "|---|---|---|---|---|---|",
    ]
    for target in targets(results, cores()):
        met = "met" if target.met else "not met"
        limit, running = ("-" if ratio is None else f"{ratio:.2f}" for ratio in (target.limit, target.running))
        lines.append(f"| {target.what} | {target.wanted} | {target.measured} | {met} | {limit} | {running} |")
    lines += [
        "",
        "The limit is the ratio that a loader of ours would reach if the processor seconds of its parts, measured in "
        "this run (below), filled all cores from the first moment to the last: start-up, transactions and ends of "
        "partitions for nothing. A target above its limit cannot be met on this machine by faster code around the same "
        "parts. From the first row on, start-up is left out on both sides; dlt's first row comes when it has read all.",
    ]
    if named.FASTER in results and named.COPY_RAW in results:
        share = results[named.FASTER].median / results[named.COPY_RAW].median
        lines += [
            "",
            f"The faster client reaches {share:.2f} of COPY alone of the 16 columns and the key it does write.",
        ]
    return "\n".join(lines)


def _where_time_goes(results: dict[str, Result]) -> str:
    lines = [
        "## Where the time goes",
        "",
        "Processor seconds per million rides; all cores together give as many seconds a second as there are cores.",
        "",
        "| contender | itself | Kafka | PostgreSQL |",
        "|---|---:|---:|---:|",
    ]
    for one in results.values():
        per_million = 1e6 / one.rows
        servers = one.server_cpu_seconds
        lines.append(
            f"| {one.name} | {one.cpu_seconds * per_million:.1f} | {servers['kafka'] * per_million:.1f} | "
            f"{servers['postgres'] * per_million:.1f} |"
        )
    for name, fast in ((named.DEFAULT, False), (named.FASTER, True)):
        if name in results and (possible := possible_rate(results, cores(), fast)):
            lines += [
                "",
                f"The parts of {name} (reading, Kafka's own work, parsing, PostgreSQL's work of COPY) add up to what "
                f"would allow {possible:,.0f} rows/s if all cores did nothing else; it reached "
                f"{results[name].median:,.0f}.",
            ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
