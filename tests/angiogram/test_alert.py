"""Alerts go out once per change of verdict, over real HTTP and SMTP, without their secrets and whatever fails."""

import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from apprise.manager_plugins import NotificationManager
from psycopg2.extensions import connection

from angiogram.core.environment import ALERT_URLS, REPORT_URL
from angiogram.core.errors import NothingToAcknowledge
from angiogram.core.stage_id import StageId
from angiogram.operate import alert
from angiogram.operate.address import ATTEMPTS, AlertMessage, fitting
from angiogram.store import mutes
from tests.angiogram.recorded import changed, record, report

SECRET = "an-address-s3cr3t-t0k3n-of-24-letters"  # noqa: S105
CELL = changed({"ride_id": "jeep-1"}, "revenue_amount", "20.40", "20.20", "jeep-first", "jeep-second")


class Inbox(ThreadingHTTPServer):
    """A web hook that keeps what it is sent, refuses longer texts than it takes, and answers with given statuses."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.longest: int | None = None
        super().__init__(("127.0.0.1", 0), _Hook)

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"


class _Hook(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        """Take a message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = json.loads(body)
        text = told.get("text") or told.get("message", "")
        status = 400 if self.server.longest and len(text) > self.server.longest else 200
        if self.server.answers:
            status = self.server.answers.pop(0)
        if status == 200:
            self.server.received.append(told)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A web hook at work."""
    with Inbox() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def database(fresh_database: str, connect_as: Callable[..., connection]) -> connection:
    """A database of the test's own, as the command sees it."""
    return connect_as("angiogram")


@pytest.fixture
def told(database: connection, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., alert.Alert | None]:
    """Function that records a run and alerts the web hook."""
    monkeypatch.setenv(ALERT_URLS, f"json://{inbox.place}/{SECRET}")
    monkeypatch.setenv(REPORT_URL, "https://reports.example/angiogram/")

    def tell(run_id: str, *blockage: str) -> alert.Alert | None:
        record(database, report(run_id, list(blockage), {name: [CELL] for name in blockage}))
        return alert.after_verdict(database, run_id, pause=0)

    return tell


def state(found: alert.Alert | None) -> str | None:
    """What became of an alert."""
    return found and found.state


def test_blockage_and_recovery_are_told_once_each(told: Callable[..., alert.Alert | None], inbox: Inbox) -> None:
    """Healthy from the start is no news; blocked, blocked, healthy, healthy is two messages."""
    states = [state(told(f"run-{i}", *b)) for i, b in enumerate(([], ["fct_rides"], ["fct_rides"], [], []))]
    assert states == [None, "sent", None, "sent", None]
    assert [message["title"] for message in inbox.received] == [
        "Angiogram: blocked at fct_rides",
        "Angiogram: recovered",
    ]


def test_an_alert_names_the_blockage_one_cell_its_rides_and_the_page(
    told: Callable[..., alert.Alert | None], inbox: Inbox
) -> None:
    told("run-1", "fct_rides")
    words = inbox.received[0]["message"]
    assert "revenue_amount 20.20, expected 20.40; fed by jeep-first, jeep-second; ride_id jeep-1" in words
    assert "https://reports.example/angiogram/run-1.html" in words


def test_a_blockage_elsewhere_is_a_change(told: Callable[..., alert.Alert | None]) -> None:
    assert [state(told("run-1", "fct_rides")), state(told("run-2", "loader:rides"))] == ["sent", "sent"]


def test_a_second_verdict_step_of_the_same_run_tells_nothing_twice(
    told: Callable[..., alert.Alert | None], database: connection, inbox: Inbox
) -> None:
    told("run-1", "fct_rides")
    assert alert.after_verdict(database, "run-1", pause=0) is None
    assert len(inbox.received) == 1


def test_an_address_that_fails_at_first_is_tried_again(told: Callable[..., alert.Alert | None], inbox: Inbox) -> None:
    inbox.answers = [503, 503]
    assert state(told("run-1", "fct_rides")) == "sent"
    assert len(inbox.received) == 1


def test_a_failing_alert_is_said_and_recorded_without_the_secret_and_told_after_the_next_run(
    told: Callable[..., alert.Alert | None],
    inbox: Inbox,
    database: connection,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox.answers = [500] * ATTEMPTS
    with caplog.at_level(logging.DEBUG):
        assert state(told("run-1", "fct_rides")) == "failed"
    with database.cursor() as query:
        query.execute("select state, detail, message from angiogram.alerts")
        ((recorded, detail, message),) = query.fetchall()
    said = capfd.readouterr().err
    assert (recorded, detail) == ("failed", "address 1 (JSON) did not accept it in 3 tries")
    assert detail in said
    for text in (said, detail, message, caplog.text):
        assert SECRET not in text
    assert inbox.received == []
    assert state(told("run-2", "fct_rides")) == "sent"
    assert len(inbox.received) == 1


def test_one_address_that_fails_does_not_keep_the_others_from_being_told(
    told: Callable[..., alert.Alert | None], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALERT_URLS, f"nonsense:{SECRET} mmost://{inbox.place}/3ccdd113474722377935511fc85d3dd4")
    found = told("run-1", "fct_rides")
    assert found is not None
    assert (found.state, found.detail) == ("sent", "address 1 in ANGIOGRAM_ALERT_URLS is unknown to apprise")
    assert "blocked at fct_rides" in inbox.received[0]["text"], "as a Slack-compatible webhook wants it"


LONG = changed({"ride_id": "jeep-1"}, "revenue_amount", f'"{"e" * 9000}"', f'"{"a" * 9000}"', "jeep-first")


def test_an_alert_longer_than_its_service_takes_is_shortened_and_keeps_its_link(
    told: Callable[..., alert.Alert | None], inbox: Inbox, database: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mattermost refuses texts of more than 4,000 characters; the record keeps the whole."""
    monkeypatch.setenv(ALERT_URLS, f"mmost://{inbox.place}/3ccdd113474722377935511fc85d3dd4")
    inbox.longest = 4000
    record(database, report("run-1", ["fct_rides"], {"fct_rides": [LONG]}))
    assert state(alert.after_verdict(database, "run-1", pause=0)) == "sent"
    (message,) = inbox.received
    assert "Angiogram: blocked at fct_rides" in message["text"]
    assert "fct_rides, revenue_amount" in message["text"]
    assert message["text"].endswith("…\n1 difference in all.\nhttps://reports.example/angiogram/run-1.html")
    assert len(message["text"]) > 3900
    with database.cursor() as query:
        query.execute("select length(message) > 18000 from angiogram.alerts")
        assert query.fetchone() == (True,)


def test_a_service_that_takes_less_than_apprise_knows_gets_a_short_message_at_last(
    told: Callable[..., alert.Alert | None], inbox: Inbox, database: connection
) -> None:
    inbox.longest = 600
    record(database, report("run-1", ["fct_rides"], {"fct_rides": [LONG]}))
    assert state(alert.after_verdict(database, "run-1", pause=0)) == "sent"
    (message,) = inbox.received
    assert message["message"].endswith("https://reports.example/angiogram/run-1.html")


def test_no_service_is_sent_more_than_it_takes() -> None:
    """Of each service that apprise knows: title and body fit, and the link is whole or left out."""
    told = AlertMessage("t" * 5000, ["l" * 90_000, "s" * 20, "m" * 3000], "https://reports.example/run-1.html")
    services = [
        service
        for service in NotificationManager().plugins()
        if isinstance(service.title_maxlen, int) and isinstance(service.body_maxlen, int)  # else each address differs
    ]
    assert len(services) > 100
    for service in services:
        found = fitting(service, told)
        sent = found.body if service.title_maxlen > 0 else f"{found.title}\r\n{found.body}"
        assert len(found.title) <= (service.title_maxlen if service.title_maxlen > 0 else service.body_maxlen), service
        assert len(sent) <= service.body_maxlen, service
        assert found.link in (told.link, "")
        if service.body_maxlen >= 160:
            assert found.body.endswith(told.link), service
        if service.body_max_line_count:
            assert len(sent.splitlines()) <= service.body_max_line_count, service


def test_a_run_that_could_not_run_is_told_once_for_each_cause_and_so_is_what_follows(
    database: connection, told: Callable[..., alert.Alert | None], inbox: Inbox
) -> None:
    def could_not_run(run_id: str, error: str) -> alert.Alert | None:
        record(database, report(run_id, []) | {"verdict": "could_not_run", "error": error})
        return alert.after_verdict(database, run_id, pause=0)

    assert state(could_not_run("run-1", "KafkaUnavailable: none of host-1 answers")) == "sent"
    assert could_not_run("run-2", "KafkaUnavailable: none of host-2 answers") is None
    assert state(could_not_run("run-3", "KeyMismatch: the loader accepts another key")) == "sent"
    assert state(told("run-4", "fct_rides")) == "sent"
    assert state(could_not_run("run-5", "KafkaUnavailable: none of host-1 answers")) == "sent"
    assert state(told("run-6", "fct_rides")) == "sent", "the alert before said something else"
    assert state(could_not_run("run-7", "KafkaUnavailable: none of host-1 answers")) == "sent"
    assert state(told("run-8")) == "sent"
    titles = [message["title"].removeprefix("Angiogram: ") for message in inbox.received]
    blocked, away = "blocked at fct_rides", "could not run"
    assert titles == [away, away, blocked, away, blocked, away, "recovered"]
    assert "KafkaUnavailable: none of host-1 answers" in inbox.received[0]["message"]


def test_without_an_address_the_change_is_recorded_and_told_once_there_is_one(
    told: Callable[..., alert.Alert | None], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALERT_URLS)
    assert state(told("run-1", "fct_rides")) == "nobody"
    monkeypatch.setenv(ALERT_URLS, f"json://{inbox.place}")
    assert state(told("run-2", "fct_rides")) == "sent"


class Mailbox:
    """A mail server's hands: it keeps each message."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        """Take a message."""
        self.received.append(envelope.content)
        return "250 OK"


def free_port() -> int:
    """A port that nobody listens on; aiosmtpd cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    """A mail server at work, and its port."""
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield mailbox, controller.port
    finally:
        controller.stop()


def test_an_alert_arrives_by_mail(told: Callable[..., alert.Alert | None], monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as (mailbox, port):
        monkeypatch.setenv(
            ALERT_URLS, f"mailto://127.0.0.1:{port}?from=dye@pipeline.example&to=duty@pipeline.example&mode=insecure"
        )
        assert state(told("run-1", "fct_rides")) == "sent"
    (mail,) = [message_from_bytes(content, policy=policy.default) for content in mailbox.received]
    assert mail["Subject"] == "Angiogram: blocked at fct_rides"
    assert "duty@pipeline.example" in mail["To"]
    body = mail.get_body()
    assert body is not None
    assert "expected 20.40" in body.get_content()


def soon(**length: float) -> datetime:
    """A moment to come."""
    return datetime.now(UTC) + timedelta(**length)


def test_a_muted_alert_is_recorded_and_told_after_the_mute_if_it_still_stands(
    told: Callable[..., alert.Alert | None],
    inbox: Inbox,
    database: connection,
    connect_as: Callable[..., connection],
) -> None:
    mutes.mute(database, soon(hours=1), "moving house")
    found = told("run-1", "fct_rides")
    assert found is not None
    assert found.state == "muted"
    assert "moving house" in (found.detail or "")
    assert inbox.received == []
    with connect_as("owner").cursor() as query:
        query.execute("update angiogram.mutes set muted_until = clock_timestamp()")
    assert state(told("run-2", "fct_rides")) == "sent"


def test_a_blockage_that_came_and_went_while_muted_is_never_told(
    told: Callable[..., alert.Alert | None], database: connection, connect_as: Callable[..., connection]
) -> None:
    mutes.mute(database, soon(hours=1), "moving house")
    told("run-1", "fct_rides")
    with connect_as("owner").cursor() as query:
        query.execute("update angiogram.mutes set muted_until = clock_timestamp()")
    assert told("run-2") is None


def test_an_acknowledged_blockage_is_not_told_again_but_another_one_and_its_end_are(
    told: Callable[..., alert.Alert | None], database: connection, connect_as: Callable[..., connection]
) -> None:
    told("run-1", "fct_rides")
    assert mutes.acknowledge(database, "run-1", soon(hours=1), "known, fixed on Monday") == [
        StageId("model", "fct_rides")
    ]
    assert state(told("run-2")) == "sent", "recovery is told"
    assert state(told("run-3", "fct_rides")) == "acknowledged"
    assert state(told("run-4", "fct_rides", "loader:rides")) == "sent", "a stage that nobody knew of"
    with connect_as("owner").cursor() as query:
        query.execute("update angiogram.mutes set muted_until = clock_timestamp()")
    assert state(told("run-5", "fct_rides")) == "sent"


def test_a_blockage_still_there_when_its_acknowledgement_ends_is_told_again(
    told: Callable[..., alert.Alert | None], database: connection, connect_as: Callable[..., connection]
) -> None:
    told("run-1", "fct_rides")
    mutes.acknowledge(database, "run-1", soon(hours=1), "known")
    assert told("run-2", "fct_rides") is None
    with connect_as("owner").cursor() as query:
        query.execute("update angiogram.mutes set muted_until = clock_timestamp()")
    assert state(told("run-3", "fct_rides")) == "sent"
    assert told("run-4", "fct_rides") is None


def test_only_a_blocked_run_is_acknowledged(told: Callable[..., alert.Alert | None], database: connection) -> None:
    told("run-1")
    with pytest.raises(NothingToAcknowledge, match="run-1 is healthy"):
        mutes.acknowledge(database, "run-1", soon(hours=1), "known")
