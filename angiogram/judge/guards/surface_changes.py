"""What changed for readers of the live tables since the surface was accepted.

A change is red if a reader by name no longer finds a relation or column or may no longer read it, or if a reader by
position silently gets something else. That covers a relation that is gone or moved, a column that is gone, has another
type or another place among the accepted columns, and a right that was revoked. What is new, or built in another way, is
a notice.
"""

from collections.abc import Iterator, Mapping

from angiogram.core.findings import FindingKind
from angiogram.core.stage_id import MODEL, StageId
from angiogram.judge.guards.changes import Change
from angiogram.judge.guards.surface import EPHEMERAL, ModelSurface, Surface

_ORDER = "the order of its columns"


def changes(accepted: Surface, now: Surface) -> Iterator[Change]:
    """Yield the changes, model by model.

    Args:
        accepted: the accepted surface.
        now: the surface of this run, without a live target if that could not be read.
    """
    for name, before in accepted.models.items():
        after = now.models.get(name)
        stage = StageId(MODEL, name)
        if after is None:
            yield _gone(stage, before, "the project has no such model, or it is disabled")
            continue
        if after.materialized == EPHEMERAL != before.materialized:
            yield _gone(stage, before, "it is ephemeral now")
        elif now.live_target is not None:
            yield from _relation(stage, before, after, now.live_target)
        if before.columns is not None and after.columns is not None:
            yield from _columns(stage, before, before.columns, after.columns)
    for name in sorted(now.kept.keys() - accepted.models.keys()):
        yield Change(f"{name} is a new model.", StageId(MODEL, name), code="new_model")


def _gone(stage: StageId, before: ModelSurface, why: str) -> Change:
    return Change(f"Readers no longer find {_called(stage, before)}: {why}.", stage, FindingKind.SURFACE)


def _called(stage: StageId, before: ModelSurface) -> str:
    return before.relation or stage.name


def _relation(stage: StageId, before: ModelSurface, after: ModelSurface, target: str) -> Iterator[Change]:
    """Yield what changed under the live target."""
    if before.relation is not None and after.relation is None:
        yield _gone(stage, before, f"target {target} does not build it")
        return
    if before.relation is not None and before.relation != after.relation:
        yield _gone(stage, before, f"target {target} builds it as {after.relation}")
    if before.relation is None and after.relation is not None:
        yield Change(f"{stage.name} is built as {after.relation} now.", stage, code="new_relation")
    elif before.materialized and before.materialized != after.materialized:
        text = f"{_called(stage, before)} is built as {after.materialized} now; it was {before.materialized}."
        yield Change(text, stage, code="materialization")
    yield from _grants(stage, before, after)


def _grants(stage: StageId, before: ModelSurface, after: ModelSurface) -> Iterator[Change]:
    for right in sorted(before.grants.keys() | after.grants.keys()):
        had, has = set(before.grants.get(right, [])), set(after.grants.get(right, []))
        if lost := sorted(had - has):
            text = f"{', '.join(lost)} may no longer {right} from {_called(stage, before)}: the grant is gone."
            yield Change(text, stage, FindingKind.SURFACE)
        if new := sorted(has - had):
            text = f"{', '.join(new)} may {right} from {_called(stage, before)} now."
            yield Change(text, stage, code="new_grant")


def _columns(
    stage: StageId, model: ModelSurface, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Change]:
    called = _called(stage, model)
    new = [name for name in after if name not in before]
    for name, kind in before.items():
        if name not in after:
            renamed = next((other for other in new if after[other] == kind), None)
            hint = f" {renamed} is new: was it renamed?" if renamed else ""
            yield Change(f"Column {name} of {called} is gone.{hint}", stage, FindingKind.SURFACE, column=name)
        elif after[name] != kind:
            text = f"Column {name} of {called} is {after[name]} now; it was {kind}."
            yield Change(text, stage, FindingKind.SURFACE, column=name)
    order, order_before = [name for name in after if name in before], [name for name in before if name in after]
    if order != order_before:
        moved = next(name for name, other in zip(order, order_before, strict=True) if name != other)
        text = (
            f"The columns of {called} are in another order, from {moved} on: readers by position, such as insert ... "
            "select * or a CSV file, get the wrong columns."
        )
        yield Change(text, stage, FindingKind.SURFACE, column=_ORDER)
    for name in new:
        yield Change(f"{called} has a new column {name}.", stage, code="new_column", column=name)
