"""What a model makes of right input, for the diagnosis of what lies below another fault."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from psycopg2.extensions import connection

from angiogram.diagnose import Finding
from angiogram.inject import Sent
from angiogram.isolate import Isolation
from angiogram.project import Project
from angiogram.stage import finding_of
from angiogram.stale import has_only_new_columns


class RightInput:
    """Runs a model on right input when it is first asked about; until then nothing is compiled."""

    def __init__(
        self, database: connection, project: Project, findings: Mapping[str, Finding], sent: Iterable[Sent] = ()
    ) -> None:
        """Nothing is compiled yet.

        Args:
            database: as the role of target angiogram, in autocommit; the expected seeds are loaded.
            project: whose models were built.
            findings: what each stage's output looked like.
            sent: where the dye was put; nowhere if the models read the input seeds.
        """
        self._database = database
        self._project = project
        self._findings = findings
        self._sent = sent
        self._known: dict[str, Finding | None] = {}

    def __call__(self, name: str, sound: frozenset[str]) -> Finding | None:
        """What a stage makes of right input; None: unknown.

        Args:
            name: of the stage.
            sound: the stages whose output is right as it is.
        """
        node = self._project.nodes.get(name)
        if node is None or node.is_seed:
            return None
        if name not in self._known:
            self._known[name] = self._finding(name, sound)
        return self._known[name]

    def _finding(self, name: str, sound: frozenset[str]) -> Finding | None:
        comparison = self._isolation.judge(name, sound)
        if comparison is None:
            return None
        if has_only_new_columns(comparison.differences):
            # Its rows are right: if dbt did not build it, then because its contract forbids the columns.
            return Finding.FAILED if self._findings[name] is Finding.FAILED else None
        return finding_of(comparison)

    @cached_property
    def _isolation(self) -> Isolation:
        return Isolation(self._database, self._project, self._findings, self._sent)
