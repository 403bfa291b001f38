"""What a stage is called: its kind and its name, so that a model named `loader` never takes the loader's place.

| kind | the stage | name |
|---|---|---|
| api, topic, loader | what the dye passes before dbt | the stream's |
| model | a dbt model | the model's; one version of several is name.v2 |
| seed | reference data that models read | the seed's |
| expected | an expected seed, named only if it is wrong itself | the model's |
| checkpoint | a count that must agree | what is compared |
| hook | what dbt runs at the start or the end of a command | dbt's |
| test, exposure, snapshot | dbt's of that kind, named only if it is broken | dbt's |
| file | a file of the project that is no model, named only if it is broken | its path below the project |
| target | the whole project under a dbt target | the target's |
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from ingestion.settings.pipeline import pipeline

API, TOPIC, LOADER = "api", "topic", "loader"
MODEL, SEED, EXPECTED, CHECKPOINT = "model", "seed", "expected", "checkpoint"
HOOK, TEST, FILE = "hook", "test", "file"
TARGET = "target"

UNNAMED_STREAM = "stream"
"""Name of the stream of a pipeline without a contract, whose dye passes none."""


class StageId(NamedTuple):
    """Kind and name of a stage; written `orders` for a model and `loader:sales` for any other."""

    kind: str
    name: str

    def __str__(self) -> str:
        return self.name if self.kind == MODEL else f"{self.kind}:{self.name}"

    def as_json(self) -> dict[str, str]:
        """As JSON and the database have it: {"kind": ..., "name": ...}."""
        return {"kind": self.kind, "name": self.name}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Back from JSON; other members, as those of a stage's row in a report, do not count."""
        return cls(told["kind"], told["name"])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Back from text; without a kind it is a model. dbt allows no colon in the name of one."""
        kind, colon, name = text.partition(":")
        return cls(kind, name) if colon else cls(MODEL, text)


def stream() -> str:
    """Name of the one stream that the pipeline of this process has, by its contract.

    Raises:
        ContractUnusable: it declares a contract that cannot be used.
    """
    declared = pipeline()
    return declared.contract().stream if declared.contract_path else UNNAMED_STREAM


def api_stage() -> StageId:
    """The front door of the stream."""
    return StageId(API, stream())


def topic_stage() -> StageId:
    """The topic of the stream."""
    return StageId(TOPIC, stream())


def loader_stage() -> StageId:
    """What loads the stream."""
    return StageId(LOADER, stream())


def listed(stages: Iterable[StageId]) -> str:
    """Stages as one reads them, separated by commas."""
    return ", ".join(map(str, stages))


def as_json(stages: Iterable[StageId]) -> list[dict[str, str]]:
    """Stages as JSON and the database have them."""
    return [stage.as_json() for stage in stages]


def from_json(stages: Iterable[Mapping[str, Any]] | None) -> list[StageId]:
    """Back from JSON; none from null."""
    return [StageId.of(stage) for stage in stages or ()]
