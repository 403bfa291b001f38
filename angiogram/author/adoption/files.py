"""The files that `angiogram init` writes, and what it adds to files that are there."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os.path import relpath
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml.comments import CommentedMap

from angiogram.author.adoption.ci import GITHUB, GITLAB, Job, repository_of
from angiogram.author.adoption.clock import FREEZING
from angiogram.author.adoption.source_tables import SourceTable
from angiogram.author.adoption.yaml_edits import edited, mapping_in, prepend
from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.manifest.long_names import shortened
from angiogram.dbt.manifest.lookup import own_macro
from angiogram.dbt.package.installing import PACKAGE, PLACE, asks_for_package, carried
from angiogram.dbt.project_file import DYE_SOURCES, DYE_TARGETS, ProjectPaths
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX
from angiogram.dbt.seeds.recorded import RECORDED_FILE, Recorded, RecordedSeed
from angiogram.dbt.seeds.seed_text import seed_text
from angiogram.dbt.seeds.stored_seeds import StoredSeed
from ingestion.settings.project_file import PROJECT_FILE, read_project_file
from ingestion.settings.settings_file import SETTINGS_FILE

FOLDER = "angiogram"
"""The folder of what init adds below each of the project's paths."""

ENABLED = "{{ target.name in var('dye_targets', ['angiogram']) }}"
"""What is part of the project under a dye target alone."""

_SWITCH = """\
{#- Under a dye target a source is the seed that the variable dye_sources names for it; elsewhere it is the source. #}
{% macro source(source_name, table_name) -%}
    {%- set seed = var('dye_sources', {}).get(source_name ~ '.' ~ table_name) -%}
    {%- if seed and data_angiogram.is_dye_target() -%}
        {{ return(ref(seed)) }}
    {%- endif -%}
    {{ return(builtins.source(source_name, table_name)) }}
{%- endmacro %}
"""
_HOOK = "{{ data_angiogram.keep_dye_apart() }}"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that is written.

    Attributes:
        stored: the file as it was read.
        text: its new text.
        what: what that adds, in a few words.
    """

    stored: StoredSeed
    text: str
    what: str

    @property
    def is_new(self) -> bool:
        """Return whether there was no such file."""
        return self.stored.content is None


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the project's connection is declared.

    Attributes:
        file: profiles.yml.
        name: the profile.
        live_target: its target for what people read.
        dye_target: its target for the dye, which may be missing yet.
    """

    file: Path
    name: str
    live_target: str
    dye_target: str


class Files:
    """The files of a project before and after."""

    def __init__(self, paths: ProjectPaths) -> None:
        """Take the project's folder and its paths from dbt_project.yml."""
        self._folder = paths.folder
        settings = read_project_file(paths.folder)
        self._name = str(settings.get("name"))
        self.seeds, self.tests, self.macro_folder = (
            Path((settings.get(f"{kind}-paths") or [usual])[0]) / FOLDER
            for kind, usual in (("seed", "seeds"), ("test", "tests"), ("macro", "macros"))
        )
        self.changes: dict[Path, PlannedFile] = {}

    def new(self, place: Path, text: str, what: str) -> None:
        """Add a file; one that is there stays as it is."""
        stored = StoredSeed.read(self._folder / place, may_be_absent=True)
        if stored.content is None:
            self.changes[stored.path] = PlannedFile(stored, text, what)

    def edit(self, place: Path, what: str, add: Any) -> None:
        """Add to a YAML file, which may be missing.

        Args:
            place: the file, from the project's folder.
            what: what is added, in a few words.
            add: adds to the mapping that the file holds.
        """
        earlier = self.changes.get(self._folder / place)
        stored = earlier.stored if earlier else StoredSeed.read(self._folder / place, may_be_absent=True)
        before = earlier.text if earlier else stored.text
        after = edited(before, str(place), add)
        if after != before:
            told = f"{earlier.what}; {what}" if earlier else what
            self.changes[stored.path] = PlannedFile(stored, after, told)

    def replace(self, place: Path, text: str, what: str) -> None:
        """Give a file that is there another text."""
        stored = StoredSeed.read(self._folder / place)
        if stored.text != text:
            self.changes[stored.path] = PlannedFile(stored, text, what)

    def add_package(self) -> None:
        """Ask for the dbt package, unless the project does."""
        if asks_for_package(self._folder):
            return
        name = Path("dependencies.yml" if (self._folder / "dependencies.yml").is_file() else "packages.yml")
        place = carried().resolve()
        shared = place.is_relative_to(self._folder.resolve()) or place.is_relative_to(self._folder.resolve().parent)
        elsewhere = f"{{{{ env_var('{PLACE}', '{place.as_posix()}') }}}}"
        entry = CommentedMap(local=relpath(place, self._folder) if shared else elsewhere)

        def add(content: CommentedMap) -> None:
            content.setdefault("packages", []).append(entry)

        self.edit(name, f"the dbt package {PACKAGE}", add)

    def add_to_project(self, target: str, tables: Sequence[SourceTable]) -> None:
        """Name the dye target, the hook that keeps the dye apart, and the sources' stand-ins."""

        def add(content: CommentedMap) -> None:
            variables = mapping_in(content, "vars")
            targets = variables.setdefault(DYE_TARGETS, [target])
            if target not in targets:
                targets.append(target)
            if tables:
                stand_ins = mapping_in(variables, DYE_SOURCES)
                for table in tables:
                    stand_ins.setdefault(table.name, table.seed)
            prepend(content, "on-run-start", _HOOK)

        self.edit(Path(PROJECT_FILE), "dye target, sources' stand-ins, a check at the start of each build", add)
        if tables:
            self.new(self.macro_folder / "source.sql", _SWITCH, "the switch between sources and dye")

    def add_target(self, profile: Profile) -> None:
        """Give the profile a target for the dye, with schemas of its own."""

        def add(content: CommentedMap) -> None:
            outputs = content[profile.name]["outputs"]
            if profile.dye_target in outputs:
                return
            live = outputs[profile.live_target]
            dye = CommentedMap((name, value) for name, value in live.items())
            if live.get("type") == "duckdb":
                dye["path"] = "target/angiogram.duckdb"
                dye.pop("database", None)
            else:
                dye["schema"] = f"{profile.dye_target}_{live.get('schema', 'dye')}"
            outputs[profile.dye_target] = dye

        self.edit(Path(relpath(profile.file, self._folder)), f"the dye target {profile.dye_target}", add)

    def add_settings(self, live_target: str) -> None:
        """Name the live target, unless the project has settings."""
        head = "# What is not secret about the dye test. `angiogram settings` prints what is in force."
        text = f"{head}\nlive_target: {live_target}\n"
        self.new(Path(SETTINGS_FILE), text, "the live target")

    def freeze_clock(self, macro: str, text: str, is_known: bool) -> bool:
        """Let dbt's clock stand still under the dye, and say so in the settings.

        Args:
            macro: the macro that takes the place of the adapter's.
            text: its text.
            is_known: whether the project has one of that name.

        Returns:
            whether it stands still: a macro of the project's own stays as it is.
        """
        place = self.macro_folder / "clock.sql"
        if is_known:
            return (self._folder / place).is_file()
        self.new(place, text, "the clock of the dye: the variable dye_clock")
        noon = f"{datetime.now(UTC):%Y-%m-%d} 12:00:00+00"

        def set_clock(content: CommentedMap) -> None:
            mapping_in(content, "vars").setdefault("dye_clock", noon)

        def intend(content: CommentedMap) -> None:
            listed = mapping_in(content, "intended").setdefault("live_sql", [])
            if all(entry.get("macro") != FREEZING for entry in listed):
                listed.append(CommentedMap(macro=FREEZING, reason="The dye's clock stands still."))

        self.edit(Path(PROJECT_FILE), "the moment at which the dye's clock stands", set_clock)
        self.edit(Path(SETTINGS_FILE), "the clock under the dye is meant to differ", intend)
        return True

    def add_ci(self, profile: Profile, engine: str) -> None:
        """Add the job that runs the dye on every change, if the project is in a git checkout.

        Once: a project that has settings already is one whose people know whether they want it.
        """
        if (root := repository_of(self._folder)) is None or (self._folder / SETTINGS_FILE).is_file():
            return
        outputs = yaml.safe_load(profile.file.read_text(encoding="utf-8"))[profile.name]["outputs"]
        job = Job.of(root, self._folder, profile.file, engine, outputs[profile.live_target])
        if (root / ".gitlab-ci.yml").is_file():
            what = "the dye test of every merge request; include it in .gitlab-ci.yml"
            self.new(Path(relpath(root / GITLAB, self._folder)), job.gitlab(), what)
        else:
            self.new(Path(relpath(root / GITHUB, self._folder)), job.github(), "the dye test of every pull request")

    def add_seed(self, name: str, kind: str, types: dict[str, str]) -> None:
        """Add a seed without rows, with the types of its columns.

        Args:
            name: the seed's name.
            kind: input or expected.
            types: types of its columns by name.
        """
        place = self.seeds / kind / f"{name}.csv"
        self.new(place, seed_text(list(types), []), f"{len(types)} columns, no rows yet")
        is_plain = all(name == name.lower() and name.isidentifier() for name in types)

        def add(content: CommentedMap) -> None:
            content.setdefault("version", 2)
            seeds = content.setdefault("seeds", [])
            if any(seed.get("name") == name for seed in seeds):
                return
            config = CommentedMap(enabled=ENABLED, column_types=CommentedMap(types))
            if (alias := shortened(name, "_")) != name:
                config["alias"] = alias
            if not is_plain:
                config["quote_columns"] = True
            seeds.append(CommentedMap(name=name, config=config))

        self.edit(self.seeds / "seeds.yml", f"types of {name}", add)

    def await_rows(self, seeds: Sequence[str]) -> None:
        """Note that new expected seeds wait for their first rows, and expect no empty output."""
        stored = StoredSeed.read(self._folder / RECORDED_FILE, may_be_absent=True)
        recorded = Recorded.read(self._folder)
        new = {name: RecordedSeed() for name in seeds if name not in recorded.seeds}
        if new:
            text = recorded.with_seeds(new).text()
            self.changes[stored.path] = PlannedFile(stored, text, f"{len(new)} expected seeds wait for their rows")

    def leave_out(self, columns: Sequence[str]) -> None:
        """Leave columns whose content differs from run to run out of every comparison."""

        def add(content: CommentedMap) -> None:
            known = mapping_in(content, "vars").setdefault("run_dependent_columns", [])
            known.extend(column for column in columns if column not in known)

        if columns:
            self.edit(Path(PROJECT_FILE), f"{', '.join(columns)}: not compared, since they differ in each run", add)

    def add_test(self, expected: str, key: Sequence[str], reference: str) -> None:
        """Add the test that compares a model with its expected seed.

        Args:
            expected: its expected seed.
            key: the columns that identify a row.
            reference: how Jinja refers to the model.
        """
        keys = ", ".join(f"'{column}'" for column in key)
        text = (
            "{{ config(enabled=target.name in var('dye_targets', ['angiogram'])) }}\n"
            f"{{{{ {PACKAGE}.test_equals_expected({reference}, ref('{expected}'), [{keys}]) }}}}\n"
        )
        name = expected.removeprefix(EXPECTED_PREFIX)
        self.new(self.tests / f"equals_expected__{name}.sql", text, f"key {', '.join(key)}")


def schema_macro(folder: Path, manifest: Any) -> tuple[Path, str] | None:
    """Return the project's own macro generate_schema_name with a branch for the dye.

    None: there is no such macro, or it needs none.

    Raises:
        UnsupportedProject: it cannot be told where the macro begins and ends.
    """
    own = own_macro(manifest, "generate_schema_name")
    if own is None or "is_dye_target" in own.macro_sql:
        return None
    file = Path(own.original_file_path)
    text = (folder / file).read_text(encoding="utf-8")
    head, end = _head_and_end(own.macro_sql)
    if head is None or text.count(own.macro_sql) != 1:
        raise UnsupportedProject(
            f"{file} has a macro generate_schema_name that cannot be changed by a program. Let it return "
            "target.schema, and the custom schema after it, if data_angiogram.is_dye_target()."
        )
    custom = own.macro_sql[own.macro_sql.index("(") + 1 :].split(",")[0].split("=")[0].strip()
    branch = (
        "\n    {%- if data_angiogram.is_dye_target() -%}\n"
        f"        {{{{ target.schema ~ ('_' ~ ({custom} | trim) if {custom} else '') }}}}\n"
        "    {%- else -%}"
    )
    changed = own.macro_sql[:head] + branch + own.macro_sql[head:end] + "{%- endif -%}\n" + own.macro_sql[end:]
    return file, text.replace(own.macro_sql, changed)


def _head_and_end(text: str) -> tuple[int | None, int]:
    """Where the body of a macro begins and ends."""
    head, end = text.find("%}"), text.rfind("{%")
    return (head + 2, end) if 0 < head < end else (None, 0)


def listed(changes: Collection[PlannedFile], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each file with what is done to it."""
    for change in changes:
        yield relpath(change.stored.path, folder), f"{'new' if change.is_new else 'changed'}: {change.what}"
