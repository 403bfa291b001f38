"""Several loaders as one command: worker processes that share the partitions.

Their parent loads nothing. It forks the workers before anything is open and any thread runs, passes on a request to
stop, adds up their reports and notices when one dies. The other workers take over a killed one's work at once, because
its session's locks are free. Each message is still loaded exactly once, since every worker commits rows and offsets
together. A replacement is started as a new program, not forked: by then the parent has threads, and a fork would keep
the locks they held at that moment forever.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess

from ingestion.errors import IngestionError, WorkerFailed, WorkersDied
from ingestion.loader.reading.clients import Client
from ingestion.loader.report import LoadReport
from ingestion.loader.run import follow, load_once
from ingestion.settings import KafkaSettings
from ingestion.stop import SIGNALS, Stop, on_signals

log = logging.getLogger("ingestion.loader")

_LOOK_AROUND_SECONDS = 1.0
_fork = multiprocessing.get_context("fork")  # shares the memory of imported modules, and starts in milliseconds
_spawn = multiprocessing.get_context("spawn")  # takes a second to start, and shares nothing


@dataclass(frozen=True, slots=True)
class _Ended:
    """A worker's last message: its report, or why it could not continue."""

    report: LoadReport | None
    error: IngestionError | None


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    words: Connection
    report: LoadReport


def cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_with_workers(
    workers: int,
    forever: bool,
    accept_loss: bool,
    client: Client,
    committed: Callable[[LoadReport], None],
    beside: AbstractContextManager[object],
    set_up: Callable[[], None],
) -> LoadReport:
    """Load with several processes, until caught up or forever.

    Call it from the main thread, before other threads run. Lost messages are in the report, as with
    `ingestion.loader.run.load_once`.

    Args:
        workers: number of workers; each partition belongs to one of them at a time.
        forever: follow the topic until a signal ends the command.
        accept_loss: continue after messages that the topic no longer holds.
        client: the client that reads from Kafka.
        committed: called with what all have written so far.
        beside: context entered in this process while the workers load; after the fork, so it may start threads.
        set_up: called in each worker before it loads; a module's function, because it is passed to new programs too.

    Raises:
        WorkersDied: all were killed.
        WorkerFailed: one met an unforeseen error.
        IngestionError: as `load_until_caught_up` and `follow`, because the first worker that cannot continue ends all;
            or as `beside`.
    """
    load = (
        partial(follow, accept_loss=accept_loss, client=client)
        if forever
        else partial(load_once, accept_loss, client=client, workers=workers)
    )
    return _Crew(workers, partial(_work, set_up, load), forever, committed).run(beside)


class _Crew:
    def __init__(
        self,
        size: int,
        work: Callable[[int, Connection], None],
        forever: bool,
        committed: Callable[[LoadReport], None],
    ) -> None:
        self._size = size
        self._work = work
        self._forever = forever
        self._committed = committed
        self._nothing = LoadReport(KafkaSettings.from_environment().topic, None, 0, 0, 0, 0, (), (), 0.0)
        self._started = time.monotonic()
        self._at_work: list[_Worker] = []
        self._reports: list[LoadReport] = []  # reports of those that ended
        self._told = Stop()
        self._error: IngestionError | None = None

    def run(self, beside: AbstractContextManager[object]) -> LoadReport:
        for number in SIGNALS:
            signal.signal(number, lambda *_: self._stop())
        try:
            for _ in range(self._size):
                self._start(_fork)
            with beside:
                self._hear_all()
        except BaseException:
            self._stop()
            self._hear_all()
            raise
        report = self._report()
        if self._error:
            raise self._error
        return report

    def _start(self, context: ForkContext | SpawnContext) -> None:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=self._work, args=(os.getpid(), theirs))
        with _signals_held_back():
            process.start()
            theirs.close()
            self._at_work.append(_Worker(process, ours, self._nothing))
        if self._told.is_set():
            process.terminate()

    def _stop(self) -> None:
        self._told.set()
        for worker in self._at_work:
            worker.process.terminate()

    def _hear_all(self) -> None:
        """Read the workers' messages until all have ended."""
        while self._at_work:
            for words in wait([worker.words for worker in self._at_work]):
                self._hear(next(worker for worker in self._at_work if worker.words is words))

    def _hear(self, worker: _Worker) -> None:
        """Read a worker's message; if its pipe ends without a last one, the worker was killed."""
        try:
            word = worker.words.recv()
        except EOFError:
            self._leave(worker)
            self._died(worker)
            return
        if isinstance(word, LoadReport):
            worker.report = word
            self._committed(self._report())
            return
        worker.report = word.report or worker.report
        self._leave(worker)
        if word.error and not self._error:
            self._error = word.error
            self._stop()

    def _leave(self, worker: _Worker) -> None:
        self._at_work.remove(worker)
        self._reports.append(worker.report)
        worker.words.close()
        worker.process.join()

    def _died(self, worker: _Worker) -> None:
        code = worker.process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        log.warning(
            "Worker %d was ended %s. Its batch was committed completely or not at all.", worker.process.pid, how
        )
        if self._forever and not self._told.is_set():
            if not self._told.wait(_LOOK_AROUND_SECONDS):  # one that dies at once must not be restarted in a tight loop
                # The helper process of spawn; if it started later, it would let blocked signals through.
                resource_tracker.ensure_running()
                self._start(_spawn)
        elif not self._at_work and not self._error:
            self._error = WorkersDied(
                "All workers were killed before the topic was loaded. What was committed stays; load again, "
                "with fewer workers (--workers) if memory was short."
            )

    def _report(self) -> LoadReport:
        reports = [*self._reports, *(worker.report for worker in self._at_work)]
        return LoadReport.together(reports, time.monotonic() - self._started)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Block signals to end during the block, and deliver them afterwards.

    A process started within it gets them once `_work` has installed its handlers.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _work(set_up: Callable[[], None], load: Callable[..., LoadReport], parent: int, words: Connection) -> None:
    """A worker's whole life.

    It starts with signals blocked: until it has its own handlers, they would reach its parent's.
    """
    stop = on_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_stop_without, args=(parent, stop), daemon=True).start()
    set_up()
    try:
        words.send(_Ended(load(stop=stop, committed=words.send), None))
    except IngestionError as error:
        words.send(_Ended(None, error))
    except Exception as error:  # without a last message it would count as killed, and be replaced again and again
        log.exception("Worker %d failed.", os.getpid())
        told = WorkerFailed(
            f"A worker failed: {type(error).__name__}: {error}. Its traceback is in the log. What was committed stays; "
            "remove the cause, then load again."
        )
        words.send(_Ended(None, told))


def _stop_without(parent: int, stop: Stop) -> None:
    """Stop once the parent is gone: nobody else could tell this worker to."""
    while not stop.wait(_LOOK_AROUND_SECONDS):
        if os.getppid() != parent:
            stop.set()
