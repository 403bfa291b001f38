"""Findings for dbt failures outside the models.

These are hooks, tests, seeds that nothing reads, and an exit code without a reason.
"""

from collections.abc import Iterator, Mapping

from angiogram.core.diagnose import StageHealth
from angiogram.core.findings import Finding, FindingKind
from angiogram.core.short_message import in_a_line
from angiogram.core.source_places import SourcePlace, place_of
from angiogram.core.stage import Stage, was_connection_lost
from angiogram.core.stage_id import EXPECTED, FILE, HOOK, OPERATION, TEST, StageId
from angiogram.dbt.builds import Builds
from angiogram.dbt.manifest.lookup import is_node, node_if_known, nodes_by_id
from angiogram.dbt.project import Project
from angiogram.dbt.runner.results import NodeResult
from angiogram.judge.build.node_stages import why_failed
from ingestion.settings.project_file import PROJECT_FILE

_KINDS = {OPERATION: HOOK, "unit_test": TEST}


def build_findings(project: Project, builds: Builds, health: Mapping[StageId, StageHealth]) -> list[Finding]:
    """Findings that make a verdict red although no stage shows them.

    Args:
        project: the project that was built.
        builds: the build results of its nodes.
        health: the health of its stages.
    """
    return [*project.reading.findings, *_findings(project, builds, health)]


def wrong_tests(stages: Mapping[StageId, Stage]) -> list[Finding]:
    """Findings for tests equals_expected by which nothing can be compared."""
    return [
        Finding(FindingKind.BUILD, name, f"{stage.headline}. Nothing was compared", stage.file, stage.line)
        for name, stage in stages.items()
        if stage.is_test_wrong
    ]


def _findings(project: Project, builds: Builds, health: Mapping[StageId, StageHealth]) -> Iterator[Finding]:
    for unique_id, failed in builds.failures().items():
        stage = StageId(_KINDS.get(failed.kind, failed.kind), failed.name)
        if stage in health or unique_id in project.expected_seeds or was_connection_lost(failed.message):
            continue
        is_known = is_node(project.manifest, unique_id)
        if stage.kind == TEST and is_known and _is_explained(project, unique_id, health):
            continue
        yield _finding(project, unique_id, stage, failed)
    if builds.is_unexplained:
        text = f"dbt exited with an error that none of its nodes explains; see {project.paths.logs / 'dbt.log'}"
        yield Finding(FindingKind.BUILD, StageId(FILE, PROJECT_FILE), text, PROJECT_FILE)


def _is_explained(project: Project, unique_id: str, health: Mapping[StageId, StageHealth]) -> bool:
    """Whether a test fails only because it reads something that the verdict already names.

    A node that nothing compares counts as wrong if something that it reads is wrong.
    """
    nodes = nodes_by_id(project.manifest)
    pending, seen = [unique_id], {unique_id}
    while pending:
        for above in nodes[pending.pop()].depends_on_nodes:
            if above not in nodes or above in seen:
                continue
            seen.add(above)
            stage = StageId(nodes[above].resource_type, nodes[above].search_name)
            if above in project.expected_seeds:
                stage = StageId(EXPECTED, project.expected_seeds[above][0])
            found = health.get(stage, StageHealth.HEALTHY if stage.kind == EXPECTED else StageHealth.NOT_WATCHED)
            if found is StageHealth.NOT_WATCHED:
                pending.append(above)
            elif found is not StageHealth.HEALTHY:
                return True
    return False


def _finding(project: Project, unique_id: str, stage: StageId, failed: NodeResult) -> Finding:
    node = node_if_known(project.manifest, unique_id)
    text = in_a_line(why_failed(project, failed, node.original_file_path if node else None))
    if stage.kind == HOOK:
        place = SourcePlace(PROJECT_FILE, _line_of_hooks(project, failed.name))
    else:
        place = place_of(project.directory, node.original_file_path if node else None, failed.message)
    return Finding(FindingKind.BUILD, stage, text, *place)


def _line_of_hooks(project: Project, name: str) -> int | None:
    """Line of dbt_project.yml where a hook's list begins. None for hooks of a package."""
    lines = (project.directory / PROJECT_FILE).read_text(encoding="utf-8").splitlines()
    return next(
        (n for n, line in enumerate(lines, 1) if line.startswith("on-run-") and line.split(":")[0] in name), None
    )
