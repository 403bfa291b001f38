"""Run a DAG through Airflow's API and follow it to its end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

from sandbox.airflow import USER, Airflow
from sandbox.errors import AirflowRefused

_POLL_SECONDS = 0.5
_KNOWN_SECONDS = 300.0
"""Deadline for the DAG processor to have read a DAG's file after a start."""

_CLEAN_UP_SECONDS = 60.0
"""Deadline for the clean-up of a run that is ended before its time."""

_ENDED = ("success", "failed")


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of a DAG run, as Airflow records it.

    Attributes:
        name: its id in the DAG.
        state: Airflow's word for how it fares; None before it is scheduled.
        started: when it began, None before.
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
            AirflowRefused: the password does not open it.
        """
        # trust_env=False: it is on this machine, whatever proxy the environment names.
        login = httpx.post(
            f"{airflow.url}/auth/token",
            json={"username": USER, "password": airflow.password},
            timeout=30,
            trust_env=False,
        )
        _require(login, "log in")
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        self._client = httpx.Client(base_url=f"{airflow.url}/api/v2", headers=headers, timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def trigger(self, dag_id: str) -> str:
        """Start a run of a DAG; its run id.

        Raises:
            AirflowRefused: there is no such DAG, or its file cannot be imported.
        """
        self._await_dag(dag_id)
        answer = self._client.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None})
        _require(answer, f"run {dag_id}")
        return str(answer.json()["dag_run_id"])

    def follow(self, dag_id: str, run_id: str) -> Iterator[tuple[str, list[TaskRun]]]:
        """The run's state and its tasks, again and again until it has ended."""
        while True:
            run = self._get(f"/dags/{dag_id}/dagRuns/{run_id}")
            yield run["state"], self._tasks(dag_id, run_id)
            if run["state"] in _ENDED:
                return
            time.sleep(_POLL_SECONDS)

    def clear(self, dag_id: str, run_id: str, tasks: list[str], with_downstream: bool = False) -> None:
        """Let tasks of a run that has ended run again, as the button Clear does.

        Args:
            dag_id: the DAG.
            run_id: its run.
            tasks: ids of the tasks.
            with_downstream: clear what is downstream of them, too.

        Raises:
            AirflowRefused: there is no such run.
        """
        wish = {"dry_run": False, "dag_run_id": run_id, "task_ids": tasks, "include_downstream": with_downstream}
        answer = self._client.post(f"/dags/{dag_id}/clearTaskInstances", json={"only_failed": False, **wish})
        _require(answer, f"clear {', '.join(tasks)}")

    def end(self, dag_id: str, run_id: str) -> None:
        """End a run as failed and wait for its clean-up, which Airflow still does; not longer than _CLEAN_UP_SECONDS.

        Without that the run would wait for Airflow's next start, and the next run for it.

        Raises:
            AirflowRefused: there is no such run.
        """
        _require(self._client.patch(f"/dags/{dag_id}/dagRuns/{run_id}", json={"state": "failed"}), f"end {run_id}")
        deadline = time.monotonic() + _CLEAN_UP_SECONDS
        for _ in self.follow(dag_id, run_id):
            if time.monotonic() > deadline:
                return

    def log(self, dag_id: str, run_id: str, task: TaskRun) -> list[str]:
        """What a task itself said in its last try, line by line: not the talk of the libraries that it uses."""
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
        while self._client.get(f"/dags/{dag_id}").status_code == httpx.codes.NOT_FOUND:
            if problems := self._get("/importErrors")["import_errors"]:
                told = "\n".join(f"{problem['filename']}: {problem['stack_trace']}" for problem in problems)
                raise AirflowRefused(f"DAG {dag_id} is not known, and a DAG file cannot be imported.\n{told}")
            if time.monotonic() > deadline:
                raise AirflowRefused(f"There is no DAG {dag_id} in the folder dags/.")
            time.sleep(_POLL_SECONDS)

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        _require(answer, f"read {path}")
        content: dict[str, Any] = answer.json()
        return content


def _lines(event: dict[str, Any]) -> Iterator[str]:
    """The text of a log event, and of the exceptions that it tells of."""
    if not str(event.get("logger", "")).startswith("task"):
        return
    yield str(event["event"])
    for raised in event.get("error_detail") or ():
        yield f"{raised['exc_type']}: {raised['exc_value']}"


def _require(answer: httpx.Response, wish: str) -> None:
    if answer.is_error:
        raise AirflowRefused(f"Airflow would not {wish}: {answer.status_code} {answer.text[:500]}")
