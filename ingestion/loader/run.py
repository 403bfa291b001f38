"""Load the topic once, up to the ends seen at the start, or continuously.

Outages are waited out here.
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event
from uuid import UUID, uuid4

import psycopg2
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError

from ingestion.database.outages import in_our_words
from ingestion.errors import (
    DatabaseRefused,
    DatabaseUnavailable,
    IngestionError,
    InputError,
    Interrupted,
    KafkaUnavailable,
    MessagesLost,
    TopicLosesMessages,
)
from ingestion.key_fingerprint import key_fingerprint
from ingestion.loader.batch import Batch
from ingestion.loader.losses import Loss, in_words
from ingestion.loader.reading.clients import Client, open_source
from ingestion.loader.reading.reader import Reader
from ingestion.loader.report import LoadReport, LoadTally
from ingestion.loader.store import Store
from ingestion.loader.work import Work
from ingestion.settings import DyeKeys, KafkaSettings
from ingestion.settings.pipeline import contract
from ingestion.topic.admin import compacts_messages_away, unavailable

log = logging.getLogger("ingestion.loader")

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0


class _Loader:
    """What survives an outage: who the loader is, what it has written, how far it must load."""

    def __init__(
        self,
        mode: str,
        accept_loss: bool,
        stop: Event,
        committed: Callable[[LoadReport], None] | None,
        client: Client,
        workers: int = 1,
    ) -> None:
        self._kafka = KafkaSettings.from_environment()
        self._keys = DyeKeys.from_environment().accepted()
        self._contract = contract()
        self._mode = mode
        self._client = client
        self._workers = workers
        self._accept_loss = accept_loss
        self._stop = stop
        self._tell = committed
        self._loader_id = uuid4()
        self._tally = LoadTally()
        self._started = time.monotonic()
        self._topic_id: UUID | None = None
        self._begun = False  # true once both servers have answered
        self._ends: dict[int, int] = {}
        self._lost: set[Loss] = set()
        self._pause = _FIRST_PAUSE_SECONDS

    def run(self) -> LoadReport:
        """Load until the work is done or a stop is requested; wait out outages in between."""
        done = False
        while not done:
            done = self._try_once()
        return self._report()

    def _try_once(self) -> bool:
        try:
            self._engage()
        except (DatabaseUnavailable, KafkaUnavailable) as error:
            self._wait_out(error)
        except InputError as error:
            if self._mode != "follow" or not self._begun:
                raise
            self._wait_out(InputError(f"The topic was deleted. {error}"))
        except psycopg2.Error as error:
            told = in_our_words(error)
            if isinstance(told, DatabaseRefused):
                raise told from error
            self._wait_out(told)
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            # The next attempt compares the stored offsets with the topic and reports what is gone.
            self._wait_out(KafkaUnavailable(f"Kafka no longer holds the next message ({type(error).__name__})."))
        except KafkaError as error:
            if not error.retriable:
                raise unavailable(self._kafka, error) from error
            self._wait_out(KafkaUnavailable(f"Kafka failed: {type(error).__name__}."))
        else:
            return True
        return self._stop.is_set()

    def _engage(self) -> None:
        source = open_source(self._kafka, self._client)
        try:
            topic_id, partitions = source.topic()
            told = compacts_messages_away(source.configuration(), self._contract)
            if topic_id != self._topic_id:
                if told and not self._accept_loss:
                    raise TopicLosesMessages(
                        f"Nothing was loaded: {told}. `--accept-loss` loads what the topic still holds."
                    )
                self._topic_id = topic_id
                self._ends = {p: bounds.end for p, bounds in source.bounds(partitions).items()}
            fingerprints = [key_fingerprint(key) for key in self._keys]
            store = Store.open(self._loader_id, self._mode, fingerprints, self._kafka.topic, topic_id)
            self._begun = True
            try:
                with (
                    closing(Reader(self._kafka)) as reader,
                    Work(
                        source,
                        store,
                        self._kafka.topic,
                        topic_id,
                        self._keys,
                        self._contract,
                        reader,
                        self._accept_loss,
                        told,
                        self._stop,
                        self._after_commit,
                        self._lost,
                    ) as work,
                ):
                    if self._mode == "follow":
                        work.follow()
                    else:
                        work.until(self._ends, self._workers)
            finally:
                store.close()
        finally:
            source.close()

    def _after_commit(self, batch: Batch) -> None:
        self._pause = _FIRST_PAUSE_SECONDS
        self._tally.add(batch)
        if self._tell:
            self._tell(self._report())

    def _report(self) -> LoadReport:
        seconds = time.monotonic() - self._started
        return self._tally.report(self._kafka.topic, self._topic_id, tuple(sorted(self._lost)), seconds)

    def _wait_out(self, error: IngestionError) -> None:
        """Pause, longer each time; a load until caught up fails instead if it never began."""
        if self._mode != "follow" and not self._begun:
            raise error
        if not self._stop.is_set():
            log.warning("%s Retrying in %.1f s.", error, self._pause)
            self._stop.wait(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)


def load_once(
    accept_loss: bool,
    stop: Event,
    committed: Callable[[LoadReport], None] | None,
    client: Client,
    workers: int = 1,
) -> LoadReport:
    """Like `load_until_caught_up`, but report lost messages instead of raising.

    For callers that add up several loads.
    """
    report = _Loader("until_caught_up", accept_loss, stop, committed, client, workers).run()
    if stop.is_set():
        raise Interrupted(
            "Stopped by a signal before the end of the topic was reached. What was committed stays; load again."
        )
    return report


def load_until_caught_up(
    accept_loss: bool = False,
    stop: Event | None = None,
    committed: Callable[[LoadReport], None] | None = None,
    client: Client = Client.KAFKA_PYTHON,
    workers: int = 1,
) -> LoadReport:
    """Load the topic up to the end of each partition as seen at the start.

    It ends even under endless traffic. It waits for partitions held by other loaders: afterwards they are loaded, no
    matter by whom.

    Args:
        accept_loss: continue after messages that the topic no longer holds; the gap is recorded in any case.
        stop: set it to end after the current batch.
        committed: called after each committed batch with what has been written so far.
        client: the client that reads from Kafka.
        workers: number of processes that load together, including this one; see `ingestion.loader.workers`.

    Returns:
        What this loader wrote.

    Raises:
        SettingsError: an address, a password or the dye key is not set.
        ContractUnusable: the pipeline's contract cannot be used.
        KafkaUnavailable, DatabaseUnavailable: not reachable at the start (later outages are waited out).
        DatabaseRefused: PostgreSQL refused a statement, for example because a privilege is missing.
        InputError: the topic does not exist.
        TopicLosesMessages: the topic deletes messages by a key that does not identify a row, and nobody accepted that.
        SchemaOutdated: a migration is missing.
        MessagesLost: messages are gone from the topic. All others are loaded, except in partitions where some were
            never loaded.
        OpenTransaction: an open transaction holds back later messages.
        Fenced, OffsetsSetBack: something else moved the stored offsets.
        Interrupted: `stop` was set before the ends were reached.
    """
    return accepted(load_once(accept_loss, stop or Event(), committed, client, workers), accept_loss)


def accepted(report: LoadReport, accept_loss: bool) -> LoadReport:
    """Return a report if the topic lost nothing, or the loss was accepted.

    Raises:
        MessagesLost: a loss was not accepted.
    """
    if report.lost and not accept_loss:
        raise MessagesLost(in_words(report.lost))
    return report


def follow(
    stop: Event,
    accept_loss: bool = False,
    committed: Callable[[LoadReport], None] | None = None,
    client: Client = Client.KAFKA_PYTHON,
) -> LoadReport:
    """Load a fair share of the partitions until `stop` is set.

    Start more processes to share the work.

    Args:
        stop: set it to end after the current batch.
        accept_loss: continue after messages that the topic no longer holds; the gap is recorded in any case.
        committed: called after each committed batch with what has been written so far.
        client: the client that reads from Kafka.

    Returns:
        What this loader wrote.

    Raises:
        The errors of `load_until_caught_up`; outages are waited out from the start.
    """
    return _Loader("follow", accept_loss, stop, committed, client).run()
