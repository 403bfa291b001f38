"""Runs a DAG through Airflow's API and follows it to its end."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from sandbox.airflow.airflow import USER, Airflow
from sandbox.errors import AirflowRefused

_POLL_SECONDS = 0.5
_TRY_SECONDS = 30.0
_ANSWER_SECONDS = 300.0
"""Deadline for an answer from Airflow, over all repetitions of a request."""

_API = "/api/v2"

_KNOWN_SECONDS = 300.0
"""Deadline for the DAG processor to have read a DAG's file after a start."""

_CLEAN_UP_SECONDS = 60.0
"""Deadline for the clean-up of a run that is ended early."""

_ENDED = ("success", "failed")


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of a DAG run, as Airflow records it.

    Attributes:
        name: its ID in the DAG.
        state: Airflow's word for its state; None before it is scheduled.
        started: when it started; None before.
        seconds: how long it ran; None while it has not ended.
        tries: how often it was tried.
    """

    name: str
    state: str | None
    started: datetime | None
    seconds: float | None
    tries: int


class DagRuns:
    """A client of Airflow's API, logged in."""

    def __init__(self, airflow: Airflow) -> None:
        """Log in.

        Raises:
            AirflowRefused: Airflow rejects the password, or does not answer.
        """
        self._airflow = airflow
        # trust_env=False: it is on this machine, whatever proxy the environment names.
        self._client = httpx.Client(base_url=airflow.url, timeout=_TRY_SECONDS, trust_env=False)
        login = {"username": USER, "password": airflow.password}
        token = self._ask("POST", "/auth/token", "log in", login).json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def trigger(self, dag_id: str) -> str:
        """Start a run of a DAG, and return its run ID.

        Raises:
            AirflowRefused: there is no such DAG, or its file cannot be imported.
        """
        self._await_dag(dag_id)
        # An ID of our own: if the answer is lost and the request is repeated, no second run starts.
        run_id = f"sandbox__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        wish = {"dag_run_id": run_id, "logical_date": None}
        self._ask("POST", f"{_API}/dags/{dag_id}/dagRuns", f"run {dag_id}", wish, taken=(httpx.codes.CONFLICT,))
        return run_id

    def follow(self, dag_id: str, run_id: str) -> Iterator[tuple[str, list[TaskRun]]]:
        """Yield the run's state and its tasks repeatedly until it has ended."""
        while True:
            run = self._get(f"/dags/{dag_id}/dagRuns/{run_id}")
            yield run["state"], self._tasks(dag_id, run_id)
            if run["state"] in _ENDED:
                return
            time.sleep(_POLL_SECONDS)

    def clear(self, dag_id: str, run_id: str, tasks: list[str], with_downstream: bool = False) -> None:
        """Make tasks of a run that has ended run again, as the button Clear does.

        Args:
            dag_id: the DAG.
            run_id: its run.
            tasks: IDs of the tasks.
            with_downstream: clear what is downstream of them, too.

        Raises:
            AirflowRefused: there is no such run.
        """
        wish = {"dry_run": False, "dag_run_id": run_id, "task_ids": tasks, "include_downstream": with_downstream}
        path = f"{_API}/dags/{dag_id}/clearTaskInstances"
        self._ask("POST", path, f"clear {', '.join(tasks)}", {"only_failed": False, **wish})

    def end(self, dag_id: str, run_id: str) -> None:
        """End a run as failed and wait for its clean-up, for at most _CLEAN_UP_SECONDS.

        Airflow still does the clean-up. Without the wait, the run would wait for Airflow's next start, and the next run
        for it.

        Raises:
            AirflowRefused: there is no such run.
        """
        self._ask("PATCH", f"{_API}/dags/{dag_id}/dagRuns/{run_id}", f"end {run_id}", {"state": "failed"})
        deadline = time.monotonic() + _CLEAN_UP_SECONDS
        for _ in self.follow(dag_id, run_id):
            if time.monotonic() > deadline:
                return

    def log(self, dag_id: str, run_id: str, task: TaskRun) -> list[str]:
        """Return the lines that a task itself logged in its latest try.

        Lines from the libraries that it uses are left out.
        """
        events = self._get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.name}/logs/{task.tries}")["content"]
        return [line for event in events for line in _lines(event)]

    def _tasks(self, dag_id: str, run_id: str) -> list[TaskRun]:
        instances = self._get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return [
            TaskRun(
                name=instance["task_id"],
                state=instance["state"],
                started=datetime.fromisoformat(instance["start_date"]) if instance["start_date"] else None,
                seconds=instance["duration"],
                tries=instance["try_number"],
            )
            for instance in instances
        ]

    def _await_dag(self, dag_id: str) -> None:
        deadline = time.monotonic() + _KNOWN_SECONDS
        absent = httpx.codes.NOT_FOUND
        wish = f"read {dag_id}"
        while self._ask("GET", f"{_API}/dags/{dag_id}", wish, taken=(absent,)).status_code == absent:
            if problems := self._get("/importErrors")["import_errors"]:
                told = "\n".join(f"{problem['filename']}: {problem['stack_trace']}" for problem in problems)
                raise AirflowRefused(f"DAG {dag_id} is unknown, and a DAG file cannot be imported.\n{told}")
            if time.monotonic() > deadline:
                raise AirflowRefused(f"There is no DAG {dag_id} in the folder dags/.")
            time.sleep(_POLL_SECONDS)

    def _get(self, path: str) -> dict[str, Any]:
        content: dict[str, Any] = self._ask("GET", f"{_API}{path}", f"read {path}").json()
        return content

    def _ask(
        self, method: str, path: str, wish: str, content: dict[str, Any] | None = None, taken: Collection[int] = ()
    ) -> httpx.Response:
        """Return Airflow's answer to a request, repeating the request if the answer is late.

        Args:
            method: of the request.
            path: of the request.
            wish: what is requested, in words.
            content: its JSON.
            taken: status codes that count as an answer besides success.

        Raises:
            AirflowRefused: it refused, has ended, or did not answer within _ANSWER_SECONDS.
        """
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            try:
                answer = self._client.request(method, path, json=content)
            except httpx.TransportError as error:
                if self._airflow.process() is None:
                    raise AirflowRefused(
                        f"Airflow ended before it could {wish}. Its logs are in {self._airflow.home}; "
                        "`sandbox airflow up` starts it again."
                    ) from error
                if time.monotonic() > deadline:
                    raise AirflowRefused(
                        f"Airflow at {self._airflow.url} did not {wish} within {_ANSWER_SECONDS:.0f} s "
                        f"({type(error).__name__}). Its logs are in {self._airflow.home}. Is the machine overloaded?"
                    ) from error
                time.sleep(_POLL_SECONDS)
                continue
            if answer.status_code not in taken:
                _require(answer, wish)
            return answer


def _lines(event: dict[str, Any]) -> Iterator[str]:
    """Yield the text of a log event, and of the exceptions in it."""
    logger = str(event.get("logger", ""))
    if not logger.startswith("task") and logger != "airflow.task":
        return
    yield str(event["event"])
    for raised in event.get("error_detail") or ():
        yield f"{raised['exc_type']}: {raised['exc_value']}"


def _require(answer: httpx.Response, wish: str) -> None:
    if answer.is_error:
        raise AirflowRefused(f"Airflow refused to {wish}: {answer.status_code} {answer.text[:500]}")
