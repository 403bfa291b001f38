"""The surface: what readers of live tables depend on, and what the dye compares.

`.angiogram/surface.yml` beside dbt_project.yml holds the accepted surface. Only `angiogram accept` changes it.
"""

import csv
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from angiogram.core.errors import InvalidSurface
from angiogram.core.stage_id import MODEL, SEED
from angiogram.dbt.live_target import LiveTarget
from angiogram.dbt.manifest.lookup import all_nodes, nodes_of
from angiogram.dbt.manifest.nodes import BATCH, Node, is_ephemeral
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import is_input_seed
from angiogram.judge.guards.live_sql import LiveSql
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.live_relations import KnownLive
from angiogram.warehouse.relations import typed_columns
from ingestion.settings.project_file import SafeLoader

SURFACE_FILE = Path(".angiogram") / "surface.yml"
"""File of the accepted surface, below the project's folder."""

EPHEMERAL = "ephemeral"
"""The materialization of a model without a table."""

_HEAD = "# What readers of the live tables depend on, and what the dye compares. `angiogram accept` writes it.\n"
_WIDTH = 120


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSurface(_Part):
    """The surface of one model.

    Attributes:
        relation: its table under the live target, with the database only if that is not the target's own. None if it
            has no table there, or if there is no live target.
        materialized: how the live target builds it. None if there is no live target.
        grants: rights on the live table: roles by right.
        columns: types by name, in order. None if not known because the run did not build the model.
        watched: whether its output is compared.
        left_out: columns that are not compared.
        where: condition for the rows that are compared. None: all rows.
        tolerates: by which configuration its test passes although rows differ. None: every difference blocks.
    """

    relation: str | None = None
    materialized: str | None = None
    grants: dict[str, list[str]] = {}
    columns: dict[str, str] | None = None
    watched: bool = False
    left_out: list[str] = []
    where: str | None = None
    tolerates: str | None = None
    precision: dict[str, int] = {}
    types: bool = True


class Surface(_Part):
    """The surface of a project.

    Attributes:
        live_target: the dbt target whose tables people read. None if none is set.
        models: the surface of each model, by its name.
        seeds: the reference seeds whose rows are compared.
        dye: the ids of all rows of each input seed.
        inputs: what the live target reads in place of an input of the dye, by the input's name.
        intended: fingerprints of the differences in live SQL that angiogram.yml lists, by model or macro.
        engine: dbt's name of the engine that built the columns, whose types they have.
    """

    live_target: str | None = None
    engine: str = "postgres"
    models: dict[str, ModelSurface] = {}
    seeds: list[str] = []
    dye: dict[str, list[str]] = {}
    inputs: dict[str, list[str]] = {}
    intended: dict[str, str] = {}

    @property
    def kept(self) -> dict[str, ModelSurface]:
        """The models that readers or the dye know: all but ephemeral models that are not compared."""
        return {name: model for name, model in self.models.items() if model.watched or model.materialized != EPHEMERAL}

    def in_terms_of(self, accepted: Self) -> Self:
        """Return this surface as it would be on the engine of the accepted one.

        Types of two engines are not compared, nor is SQL: what was accepted of both is taken over, and of the live
        target if that was not read.
        """
        if self.engine == accepted.engine:
            return self
        models = {}
        for name, model in self.models.items():
            before = accepted.models.get(name, ModelSurface())
            known = before.columns or {}
            columns = {one: known.get(one, kind) for one, kind in model.columns.items()} if model.columns else None
            update: dict[str, Any] = {"columns": columns}
            if self.live_target is None:
                update |= {one: getattr(before, one) for one in ("relation", "grants")}
                update["materialized"] = model.materialized or before.materialized
            models[name] = model.model_copy(update=update)
        taken_over: dict[str, Any] = {
            "engine": accepted.engine,
            "inputs": accepted.inputs,
            "intended": accepted.intended,
        }
        if self.live_target is None:
            taken_over["live_target"] = accepted.live_target
        return self.model_copy(update={"models": models, **taken_over})

    @classmethod
    def accepted(cls, project: Path) -> Self | None:
        """Read the accepted surface of a dbt project. None if there is none.

        Args:
            project: its folder.

        Raises:
            InvalidSurface: the file cannot be read.
        """
        file = project / SURFACE_FILE
        try:
            held = yaml.load(file.read_text(encoding="utf-8"), Loader=SafeLoader)  # noqa: S506
            if not isinstance(held, dict):
                raise TypeError("it is empty" if held is None else "it holds no names with values")
            return cls(**held)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValidationError) as error:
            raise InvalidSurface(
                f"{file} cannot be read: {error}. Only `angiogram accept` writes it: restore it from version "
                "control, or delete it and accept the surface again."
            ) from error

    @classmethod
    def known_live(cls, project: Path) -> KnownLive | None:
        """Return the live relations that a project's accepted surface names. None if it names none.

        Args:
            project: its folder.

        Raises:
            InvalidSurface: the file cannot be read.
        """
        accepted = cls.accepted(project)
        if accepted is None or accepted.live_target is None:
            return None
        built = [model.relation for model in accepted.models.values() if model.relation]
        read = [relation for relations in accepted.inputs.values() for relation in relations]
        return KnownLive(accepted.live_target, [*built, *read], f"live in {SURFACE_FILE}")

    def text(self) -> str:
        """Return the file's text."""
        told = self.model_dump(exclude_defaults=True)
        told["models"] = {
            name: {"watched": model.watched} | model.model_dump(exclude_defaults=True)
            for name, model in self.kept.items()
        }
        return _HEAD + yaml.dump(told, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)

    def with_models(self, other: Self, names: Collection[str]) -> Self:
        """Return this surface with some of its models taken from another one."""
        kept = {name: model for name, model in self.models.items() if name not in names}
        taken = {name: model for name, model in other.models.items() if name in names}
        under_new_names = {model.relation for model in taken.values() if model.relation}
        kept = {n: model for n, model in kept.items() if n in other.models or model.relation not in under_new_names}
        return self.model_copy(update={"models": dict(sorted((kept | taken).items()))})

    def under_new_names(self, now: Self) -> tuple[Self, dict[str, str]]:
        """Return this surface with models under their present names, and these by the former ones.

        A model has another name if it is gone and a new one builds its relation.
        """
        by_relation = {model.relation: name for name, model in now.models.items() if model.relation}
        models, names = dict(self.models), {}
        for name, before in self.models.items():
            new = by_relation.get(before.relation) if before.relation else None
            if name in now.models or new is None:
                continue
            if new not in self.models:
                models[new], names[name] = models.pop(name), new
            elif self.models[new].relation == before.relation:
                del models[name]
        return self.model_copy(update={"models": dict(sorted(models.items()))}), names


class _Dumper(yaml.SafeDumper):
    """YAML with each list on one line and each name on its own line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    list, lambda dumper, values: dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)
)


def of_project(
    database: Warehouse,
    project: Project,
    live: LiveTarget | None,
    sql: LiveSql | None,
    built: Collection[str],
) -> Surface:
    """Return the surface of a project as it is now.

    Args:
        database: as the role of the dye target, in autocommit.
        project: the project whose models were built.
        live: the project under the live target. None if there is none, or if it could not be read.
        sql: how its SQL compares. None if it was not compared.
        built: names of the models that the run built.
    """
    nodes = {name: node for name, node in project.nodes.items() if node.stage.kind == MODEL}
    columns = typed_columns(database, {name: node.relation for name, node in nodes.items() if name in built})
    models = {name: _compared(node, columns.get(name)) for name, node in nodes.items()}
    for node in all_nodes(project.manifest):
        if is_ephemeral(node):
            compared = models.get(node.search_name, ModelSurface())
            models[node.search_name] = compared.model_copy(update={"materialized": EPHEMERAL})
    for name, told in _under(live).items() if live else ():
        models[name] = models.get(name, ModelSurface()).model_copy(update=told)
    listed = {one.macro or one.node for one in project.settings.intended.live_sql}
    fingerprints = _fingerprints(sql) if sql else {}
    return Surface(
        live_target=live.name if live else None,
        engine=engine_of(database).name,
        models=dict(sorted(models.items())),
        seeds=sorted(node.name for node in project.nodes.values() if node.is_seed and node.is_watched),
        dye=dict(sorted(_dye(project))),
        inputs=sql.inputs if sql else {},
        intended={name: mark for name, mark in sorted(fingerprints.items()) if name in listed},
    )


def _fingerprints(sql: LiveSql) -> dict[str, str]:
    """Fingerprints of what may be listed as intended, by name."""
    # What a compilation shows says more than a macro's text.
    unseen = {name: found.fingerprint for name, found in sql.unseen.items()}
    return unseen | sql.switches | {name: found.fingerprint for name, found in sql.differences.items()}


def _compared(node: Node, columns: dict[str, str] | None) -> ModelSurface:
    where = " ".join(node.where.split()) if node.where else None
    left_out = [name for name in columns or () if not node.compares(name)]
    tolerates = str(node.leniency) if node.leniency and node.is_watched else None
    return ModelSurface(
        columns=columns,
        watched=node.is_watched,
        left_out=left_out,
        where=where,
        tolerates=tolerates,
        precision=dict(sorted(node.precision.items())),
        types=node.types,
    )


def _under(live: LiveTarget) -> dict[str, dict[str, Any]]:
    """What the live target's manifest says about each model."""
    return {
        node.search_name: {
            "relation": _relation(node, live.database) if node.relation_name else None,
            "materialized": node.config.materialized,
            "grants": {
                right: sorted([roles] if isinstance(roles, str) else roles)
                for right, roles in sorted(node.config.grants.items())
                if roles
            },
        }
        for node in nodes_of(live.manifest, "model")
    }


def _relation(node: Any, database: str) -> str:
    parts = [node.schema, node.alias]
    return ".".join(parts if node.database == database else [node.database, *parts])


def _dye(project: Project) -> Iterable[tuple[str, list[str]]]:
    """Yield the row ids of each input seed.

    The id is the first column other than the batch.
    """
    for node in all_nodes(project.manifest):
        if not (is_input_seed(node) or (node.resource_type == SEED and node.name in project.stand_ins)):
            continue
        with (project.directory / node.original_file_path).open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.reader(lines, delimiter=node.config.delimiter or ",")
            header = next(rows, [])
            place = next((number for number, name in enumerate(header) if name != BATCH), 0)
            yield node.name, [row[place] for row in rows if row]
