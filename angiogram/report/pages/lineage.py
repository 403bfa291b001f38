"""Lays out the stages as a graph, in columns by depth.

The API is on the left, the marts are on the right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 58, 30, 16, 8
_CHARACTER, _PADDING, _NARROWEST = 7.3, 40, 104


@dataclass(frozen=True, slots=True)
class Box:
    """A stage's position, in pixels."""

    x: float
    y: float
    width: float
    height: float = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from a stage to one that reads it, as an SVG path."""

    source: str
    target: str
    path: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """The picture."""

    width: float
    height: float
    boxes: dict[str, Box]
    edges: list[Edge]


def lineage(reads: Mapping[str, Sequence[str]]) -> Lineage:
    """Lay out the stages.

    Args:
        reads: the stages that each stage reads, each stage after those it reads.
    """
    columns = _columns(reads)
    tallest = max((len(column) for column in columns), default=0)
    height = 2 * MARGIN + tallest * BOX_HEIGHT + max(tallest - 1, 0) * GAP_Y
    boxes: dict[str, Box] = {}
    x: float = MARGIN
    for column in columns:
        width = max(_NARROWEST, max(len(stage) for stage in column) * _CHARACTER + _PADDING)
        y = (height - len(column) * BOX_HEIGHT - (len(column) - 1) * GAP_Y) / 2
        for stage in column:
            boxes[stage] = Box(x, y, width)
            y += BOX_HEIGHT + GAP_Y
        x += width + GAP_X
    edges = [
        Edge(above, stage, _path(boxes[above], boxes[stage]))
        for stage in reads
        for above in reads[stage]
        if above in boxes
    ]
    return Lineage(max(x - GAP_X, 0) + MARGIN, height, boxes, edges)


def _columns(reads: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the stages by depth, each as near as possible to the stages that read it."""
    depth: dict[str, int] = {}
    for stage, above in reads.items():
        depth[stage] = 1 + max((depth[name] for name in above if name in depth), default=-1)
    last = max(depth.values(), default=-1)
    for stage in reversed(list(reads)):
        below = [depth[name] for name, above in reads.items() if stage in above]
        if below:
            depth[stage] = min(below) - 1
        elif not reads[stage] and last > 0:
            depth[stage] = last - 1  # an isolated stage, such as a calendar, goes where there is room
    columns: list[list[str]] = [[] for _ in range(last + 1)]
    for stage in reads:
        columns[depth[stage]].append(stage)
    placed: dict[str, float] = {}
    for column in columns:  # next to what they read, so that few lines cross
        column.sort(key=lambda stage: _mean([placed[name] for name in reads[stage] if name in placed]))
        placed |= {stage: index - (len(column) - 1) / 2 for index, stage in enumerate(column)}
    return [column for column in columns if column]


def _mean(places: Sequence[float]) -> float:
    return sum(places) / len(places) if places else 0.0


def _path(source: Box, target: Box) -> str:
    x1, y1 = source.x + source.width, source.y + source.height / 2
    x2, y2 = target.x, target.y + target.height / 2
    # A line past other columns bends only in the gaps, so that it can be followed.
    bend = min(GAP_X, (x2 - x1) / 2)
    return f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
