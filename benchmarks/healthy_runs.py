"""Check for false alarms: healthy runs under live traffic, one after the other.

`python benchmarks/healthy_runs.py --runs 50` sends clean and dirty live rides all the time while a loader follows the
topic, in a database and on a topic of its own. Exit code 1 if any verdict is not healthy. With --write-docs the result
goes into docs/faults.md.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from angiogram.core.stage_id import from_json, listed
from angiogram.dbt.project import Project
from angiogram.faults.document import DOCUMENT
from angiogram.faults.place import own_place
from angiogram.run.passage import Passage
from benchmarks.parts_of_pages import write_part
from ingestion.database.sessions import connect
from ingestion.front_door.server import serving
from ingestion.loader.run import follow
from ingestion.settings.environ import changed
from taxi.traffic import generate

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
BURST = 50
DIRTY = 0.2


@contextmanager
def live_traffic(rate: float) -> Iterator[None]:
    """Send live rides at `rate` a second while a loader follows, both on threads."""
    stop = threading.Event()

    def send() -> None:
        for seed in count():
            if stop.is_set():
                return
            generate(BURST, seed=seed, rate=rate, dirty=DIRTY)

    threads = [threading.Thread(target=send, name="traffic"), threading.Thread(target=follow, args=(stop,))]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def main() -> int:
    """Run the dye as often as requested, and report how often the verdict was healthy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rate", type=float, default=50.0, help="live rides per second")
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    verdicts: Counter[str] = Counter()
    seconds: list[float] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="healthy-") as folder, own_place(), serving() as front_door:
        with (
            changed({"FRONT_DOOR_URL": front_door, "DBT_TARGET_PATH": folder, "DBT_LOG_PATH": folder}),
            live_traffic(options.rate),
        ):
            project = Project(PROJECT)
            project.parse()
            for number in range(1, options.runs + 1):
                report = Passage(lambda: project, wait=60, say=lambda _: None).run()
                verdicts[report["verdict"]] += 1
                seconds.append(report["seconds"])
                blockage = listed(from_json(report["blockage"]))
                print(
                    f"{number:>3} {report['verdict']} {blockage} {report['seconds']:.1f} s", file=sys.stderr, flush=True
                )
        with closing(connect("owner", "healthy runs")) as database, database.cursor() as query:
            query.execute("select (select count(*) from raw.taxi_rides), (select count(*) from raw.dead_letters)")
            rides, letters = query.fetchone() or (0, 0)
    told = (
        f"{options.runs} runs under live traffic ({rides:,} live rides and {letters:,} dead letters loaded meanwhile, "
        f"{DIRTY:.0%} of the messages dirty) in {(time.monotonic() - started) / 60:.0f} minutes: "
        + ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
        + f". Seconds per run: median {statistics.median(seconds):.1f}, longest {max(seconds):.1f}."
    )
    print(told)
    if options.write_docs:
        write_part(DOCUMENT, "healthy runs", told)
    return 0 if verdicts["healthy"] == options.runs else 1


if __name__ == "__main__":
    sys.exit(main())
