"""Compares the live target's SQL with the dye target's.

The dye never passes a branch that exists only in production. So models and hooks are compiled here under both targets,
with is_incremental() false and true, and compared without regard to relation names. What the live target reads in place
of an input of the dye is not a difference, but it is reported. Any other difference is red, unless angiogram.yml lists
it as intended. A macro listed there counts as equal whatever it returns. So are the settings of reference seeds.
What no compilation shows is looked for in the macros themselves (`angiogram/dbt/unseen.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from angiogram.core.stage_id import HOOK, OPERATION, StageId
from angiogram.dbt.compiled_forms import ACROSS, FIRST, FORMS, HOOKS, Forms, compile_forms, without_switches
from angiogram.dbt.live_target import LiveTarget, secrets_set
from angiogram.dbt.manifest.lookup import (
    all_nodes,
    is_node,
    node_if_known,
    node_with_id,
    nodes_by_id,
    nodes_of,
    source_if_known,
    sources_by_id,
)
from angiogram.dbt.manifest.macros import ASKS_ENVIRONMENT, ASKS_TARGET, asks
from angiogram.dbt.manifest.row_settings import of_model, of_seed
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import is_dye_seed, is_input_seed
from angiogram.dbt.unseen import Unseen, fingerprint, unseen
from angiogram.judge.guards.sql_text import (
    Pair,
    RelationNames,
    differing,
    lines_of,
    name_of,
    pairs,
    shown,
    steady,
    with_places_alike,
)

Unequal = dict[str, dict[str, tuple[list[str], list[str]]]]
"""Lines of the live target's text and of the dye target's, by form and the model's dbt id."""

Places = list[tuple[list[str], list[str]]]
"""Where two texts differ: lines of the live target's text, and lines of the dye target's."""

_SEED_SETTINGS = "settings of the seed"
"""Form of a difference in them."""


@dataclass(frozen=True, slots=True)
class SqlDifference:
    """How SQL or settings under the live target differ from what the dye passes.

    Attributes:
        stage: the model, seed or hook.
        file: its file, below the project's folder.
        form: the form in which the difference was seen first.
        places: the lines that differ, with relations by their names.
    """

    stage: StageId
    file: str
    form: str
    places: Places

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the lines that differ."""
        return fingerprint(f"{live}|{dye}" for live, dye in self.places)


@dataclass(slots=True)
class LiveSql:
    """The result of comparing the SQL of two targets.

    Attributes:
        differences: the differences by the name of the model, seed or hook.
        errors: why a model does not compile under the live target although it does under the dye target, by model.
        uncompared: models whose compilation queries the database, so that the two targets may legitimately differ.
        environment: models that ask for the environment, which may be another one where production builds.
        inputs: what the live target reads in place of an input of the dye, by the input's name.
        readers: the models that do so, by the names of the input and its replacement.
        switches: fingerprint of what a listed macro returns under the live target, by its name.
        users: a model that uses such a macro, by the macro's name.
        alone: models that only the live target has.
        unseen: what no compilation shows and may differ, by the name of the hook, seed or macro.
    """

    differences: dict[str, SqlDifference] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    uncompared: list[str] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)
    inputs: dict[str, list[str]] = field(default_factory=dict)
    readers: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    switches: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    alone: list[str] = field(default_factory=list)
    unseen: dict[str, Unseen] = field(default_factory=dict)


def compare(project: Project, live: LiveTarget) -> LiveSql:
    """Compile the models under both targets and compare them.

    Args:
        project: the project under the dye target.
        live: the project under the live target.

    Raises:
        DbtFailed: dbt cannot compile at all.
    """
    switches = [one.macro for one in project.settings.intended.live_sql if one.macro]
    return _Comparison(project, live, switches).result()


class _Comparison:
    """The SQL texts of one project under two targets."""

    def __init__(self, project: Project, live: LiveTarget, switches: list[str]) -> None:
        self._project = project
        self._live = live
        self._switches = switches
        self._names = RelationNames(_relations(live.manifest)), RelationNames(_relations(project.manifest))
        self._places = set(_places(live, project.manifest))
        self._found = LiveSql()
        self._pairs: dict[Pair, dict[str, None]] = {}
        self._made: dict[str, set[str]] = {}

    def result(self) -> LiveSql:
        forms = self._compiled()
        self._note_what_was_not_compiled(*forms)
        unequal = self._unequal(*forms)
        if unequal:  # what varies from one compilation to the next is not a difference
            ids = {unique_id for models in unequal.values() for unique_id in models}
            again = self._compiled(dict.fromkeys(FORMS, ids))
            unequal = self._unequal(*(_steady(first, second) for first, second in zip(forms, again, strict=True)))
        self._note_differences(unequal)
        self._note_seeds()
        uncompared = forms[0].asking | forms[1].asking | forms[0].errors.keys() | forms[1].errors.keys()
        in_hooks = forms[0].asking_in_hooks | forms[1].asking_in_hooks
        self._found.unseen = unseen(self._live.manifest, uncompared, in_hooks, self._switches)
        for (of_live, of_dye), readers in sorted(self._pairs.items()):
            names = name_of(of_dye), self._place_of(of_live)
            self._found.inputs.setdefault(names[0], []).append(names[1])
            self._found.readers[names] = list(readers)
        self._found.switches = {name: fingerprint(made) for name, made in sorted(self._made.items())}
        return self._found

    def _place_of(self, unique_id: str) -> str:
        """The name of what the live target reads; a source is called by its table."""
        source = source_if_known(self._live.manifest, unique_id)
        return name_of(unique_id) if source is None else f"{source.schema}.{source.identifier}"

    def _compiled(self, only: Mapping[str, set[str]] | None = None) -> tuple[Forms, Forms]:
        live, project = self._live, self._project
        with secrets_set(project):
            of_live = compile_forms(
                live.manifest,
                lambda command: project.compile(command, live.manifest, live.name),
                self._switches,
                only,
            )
        return of_live, compile_forms(project.manifest, project.compile, self._switches, only)

    def _note_what_was_not_compiled(self, live: Forms, dye: Forms) -> None:
        nodes, own = nodes_by_id(self._live.manifest), nodes_by_id(self._project.manifest)
        for unique_id in sorted(live.asking | dye.asking):
            node = nodes.get(unique_id)
            if node is not None and node.resource_type == "model" and _depends_on_target(self._live.manifest, node):
                self._found.uncompared.append(nodes[unique_id].search_name)
        for unique_id, message in live.errors.items():
            if unique_id in own and unique_id not in dye.errors and nodes[unique_id].resource_type == "model":
                self._found.errors[nodes[unique_id].search_name] = message
        self._found.environment = sorted(
            node.search_name
            for node in nodes.values()
            if node.resource_type == "model" and asks(ASKS_ENVIRONMENT, self._live.manifest, [node.raw_code], node)
        )
        self._found.alone = sorted(
            node.search_name
            for unique_id, node in nodes.items()
            if node.resource_type == "model" and unique_id not in own
        )

    def _unequal(self, live: Forms, dye: Forms) -> Unequal:
        """Return both sides' lines of the models whose texts differ, by form and id.

        Inputs of the dye that the live target replaces are noted on the way.
        """
        unequal: Unequal = {}
        nodes, own = nodes_by_id(self._live.manifest), nodes_by_id(self._project.manifest)
        alone = nodes.keys() - own.keys()
        for form, dye_form in (*((form, form) for form in FORMS), *ACROSS):
            of_live, of_dye = live.texts.get(form, {}), dye.texts.get(dye_form, {})
            ids = of_live.keys() & of_dye.keys()
            if form == dye_form == HOOKS:  # a model may have hooks under only one target
                unknown = live.asking_in_hooks | dye.asking_in_hooks | live.errors.keys() | dye.errors.keys()
                ids = (of_live.keys() | of_dye.keys()) - unknown
            else:  # the texts of seeds are their hooks
                ids |= {unique_id for unique_id in of_live.keys() & alone if nodes[unique_id].resource_type == "seed"}
            for unique_id in sorted(ids & nodes.keys()):
                texts = of_live.get(unique_id, ""), of_dye.get(unique_id, "")
                of_both = self._lines(unique_id, form, texts[0], True), self._lines(unique_id, form, texts[1], False)
                lines = of_both[0], with_places_alike(*of_both, self._places)
                found = pairs(*lines)
                if found is None or not all(self._is_input(pair) for pair in found):
                    unequal.setdefault(form, {})[unique_id] = lines
                else:
                    self._note_pairs(unique_id, found)
        return unequal

    def _note_pairs(self, reader: str, found: Iterable[Pair]) -> None:
        for pair in found:
            self._pairs.setdefault(pair, {})[node_with_id(self._live.manifest, reader).search_name] = None

    def _lines(self, unique_id: str, form: str, text: str, is_live: bool) -> list[str]:
        names = self._names[0 if is_live else 1]
        manifest = self._live.manifest if is_live else self._project.manifest
        plain, made = without_switches(text)
        for call, inner in made.items() if is_live else ():
            macro = call.split("(")[0]
            self._made.setdefault(macro, set()).add(f"{call}: {' '.join(lines_of(names.aside(inner)))}")
            self._found.users.setdefault(macro, node_with_id(manifest, unique_id).search_name)
        node = node_if_known(manifest, unique_id)  # the live target alone may have a seed or a model with hooks
        is_model = form == FIRST and node is not None and node.resource_type == "model"
        settings = [names.aside(line) for line in of_model(node)] if is_model else []
        return [*settings, *lines_of(names.aside(plain))]

    def _is_input(self, pair: Pair) -> bool:
        """Whether the dye's side of a pair exists for the dye only.

        This is a source, or a seed that the live target does not have or that stands in for a source.
        """
        _, unique_id = pair
        seed = node_if_known(self._project.manifest, unique_id)
        if seed is None:
            return unique_id.startswith("source.")
        if is_input_seed(seed):
            return True
        is_dyes = seed.name in self._project.stand_ins or not is_node(self._live.manifest, unique_id)
        return bool(seed.resource_type == "seed" and is_dyes)

    def _note_differences(self, unequal: Unequal) -> None:
        for form, models in unequal.items():
            for unique_id, (live, dye) in models.items():
                inputs = {of_dye: of_live for of_live, of_dye in self._pairs}
                places: Places = []
                for place in differing(live, dye, inputs):
                    found = pairs(*place)
                    if found is not None and all(self._is_input(pair) for pair in found):
                        self._note_pairs(unique_id, found)
                    else:
                        places.append((list(map(shown, place[0])), list(map(shown, place[1]))))
                node = node_with_id(self._live.manifest, unique_id)
                if places:
                    self._note(node, form if node.resource_type == "model" else HOOKS, places)

    def _note_seeds(self) -> None:
        own = nodes_by_id(self._project.manifest)
        for node in nodes_of(self._live.manifest, "seed"):
            if (unique_id := node.unique_id) in own and not is_dye_seed(node):
                lines = list(of_seed(node, own[unique_id])), list(of_seed(own[unique_id], node))
                if places := differing(*lines, {}):
                    self._note(node, _SEED_SETTINGS, places)

    def _note(self, node: Any, form: str, places: Places) -> None:
        kind = HOOK if node.resource_type == OPERATION else str(node.resource_type)
        file = node.original_file_path.removeprefix("./")
        name = node.search_name
        self._found.differences.setdefault(name, SqlDifference(StageId(kind, name), file, form, places))


def _relations(manifest: Any) -> Iterator[tuple[str, str]]:
    for node in (*all_nodes(manifest), *sources_by_id(manifest).values()):
        if node.resource_type in ("model", "seed", "snapshot", "source") and node.relation_name:
            yield node.relation_name, node.unique_id


def _places(live: LiveTarget, dye: Any) -> Iterator[Pair]:
    """Yield schemas and databases of the live target, with those of the dye target."""
    yield live.database, live.dye_database
    yield live.schema, live.dye_schema
    for node in all_nodes(live.manifest):
        if (of_dye := node_if_known(dye, node.unique_id)) is not None and node.relation_name and of_dye.relation_name:
            yield node.schema, of_dye.schema
            yield node.database, of_dye.database


def _depends_on_target(manifest: Any, node: Any) -> bool:
    """Whether a model, or a macro that it uses, looks at the target."""
    return asks(ASKS_TARGET, manifest, [node.raw_code], node)


def _steady(first: Forms, again: Forms) -> Forms:
    """Return what is the same in two compilations under one target."""
    texts = {
        form: {unique_id: steady(first.texts[form][unique_id], text) for unique_id, text in models.items()}
        for form, models in again.texts.items()
    }
    return Forms(texts, first.errors, first.asking, first.asking_in_hooks)
