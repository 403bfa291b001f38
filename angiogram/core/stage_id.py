"""Identifies a stage by kind and name.

The kind keeps a model named `loader` apart from the loader itself.

| kind | the stage | name |
|---|---|---|
| api, topic, loader | what the dye passes before dbt | the stream's |
| model | a dbt model | the model's; one version of several is name.v2 |
| seed | reference data that models read | the seed's |
| expected | an expected seed, named only if it is wrong itself | the model's |
| checkpoint | a count that must agree | what is compared |
| hook | what dbt runs at the start or the end of a command | dbt's |
| snapshot | a dbt snapshot | the snapshot's |
| test, exposure | a dbt node of that kind, named only if it is broken | dbt's |
| file | a file of the project that is not a model, named only if it is broken | its path in the project |
| target | the whole project under a dbt target | the target's |
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from ingestion.settings.pipeline import pipeline

API, TOPIC, LOADER_STAGE = "api", "topic", "loader"
MODEL, SEED, SNAPSHOT = "model", "seed", "snapshot"
EXPECTED, CHECKPOINT = "expected", "checkpoint"
HOOK, TEST, FILE = "hook", "test", "file"
OPERATION = "operation"  # dbt's word for what HOOK is
TARGET = "target"

UNNAMED_STREAM = "stream"
"""Stream name of a pipeline without a contract, whose dye does not pass a stream."""


class StageId(NamedTuple):
    """Kind and name of a stage, written `orders` for a model and `loader:sales` for others."""

    kind: str
    name: str

    def __str__(self) -> str:
        return self.name if self.kind == MODEL else f"{self.kind}:{self.name}"

    def as_json(self) -> dict[str, str]:
        """Return the stage as JSON and the database hold it: {"kind": ..., "name": ...}."""
        return {"kind": self.kind, "name": self.name}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Read a stage from JSON, such as a report's stage row. Other members are ignored."""
        return cls(told["kind"], told["name"])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a stage from text. Without a kind it is a model.

        dbt does not allow a colon in a model's name.
        """
        kind, colon, name = text.partition(":")
        return cls(kind, name) if colon else cls(MODEL, text)


def stream() -> str:
    """Return the name of the pipeline's only stream, as declared in its contract.

    Raises:
        ContractUnusable: the pipeline declares a contract that cannot be used.
    """
    declared = pipeline()
    return declared.contract().stream if declared.contract_path else UNNAMED_STREAM


def api_stage() -> StageId:
    """Return the stage of the stream's front door."""
    return StageId(API, stream())


def topic_stage() -> StageId:
    """Return the stage of the stream's topic."""
    return StageId(TOPIC, stream())


def loader_stage() -> StageId:
    """Return the stage of the stream's loader."""
    return StageId(LOADER_STAGE, stream())


def listed(stages: Iterable[StageId]) -> str:
    """Return stages as readable text, separated by commas."""
    return ", ".join(map(str, stages))


def as_json(stages: Iterable[StageId]) -> list[dict[str, str]]:
    """Return stages as JSON and the database hold them."""
    return [stage.as_json() for stage in stages]


def from_json(stages: Iterable[Mapping[str, Any]] | None) -> list[StageId]:
    """Read stages from JSON. Null gives an empty list."""
    return [StageId.of(stage) for stage in stages or ()]
