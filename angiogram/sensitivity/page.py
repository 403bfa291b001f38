"""Makes the sensitivity page: models shaded by score, and mutants that no check saw."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from angiogram.report.pages.cells import printable
from angiogram.report.pages.lineage import lineage
from angiogram.report.pages.templates import fill
from angiogram.sensitivity.bench.score import BLIND_SPOT, EQUIVALENT, UNDECIDED, Score, Spoiled, Tally, Verdict
from angiogram.sensitivity.terminal import percent

REDDEST = 0.9
"""A model is fully red at this score or below. Towards 1 it gets greener."""

_WORDS = {BLIND_SPOT: ("✗", "blind spot", "blocked"), UNDECIDED: ("?", "unknown", "affected")}
_TOKENS = re.compile(r"\w+|\s+|.", re.DOTALL)
_GREEN = 0.99
_CHARACTER = 6.8
"""Width of a character of the badge, in pixels."""

_CONTEXT = 90
"""Characters of unchanged SQL shown on either side of a change."""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A part of a changed text.

    Attributes:
        kind: same, gone or come.
        text: the part.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A survivor as the page shows it.

    Attributes:
        verdict: the survivor.
        pieces: the change, with the text around it.
        spoils: the smallest input that shows it, in words, if that is a message. Else empty.
        spoiled: the smallest input that shows it, of any kind.
    """

    verdict: Verdict
    pieces: Sequence[TextPiece]
    spoils: str
    spoiled: Spoiled


def sensitivity_page(score: Score, reads: Mapping[str, Sequence[str]], project: str) -> str:
    """Return the page.

    Args:
        score: the score of one pass.
        reads: what each model, seed and the loader reads. Each comes after everything that it reads.
        project: name of the project.
    """
    shown = {name: _nearest(name, reads, score.by_node) for name in reads if name in score.by_node}
    survivors = [_shown(score, v) for v in score.survivors()]
    equivalent = sorted(
        (v for v in score.verdicts if v.state == EQUIVALENT), key=lambda v: (v.reason or "", v.mutant.id)
    )
    return fill(
        "sensitivity.html",
        project=project,
        score=score,
        percent=percent,
        picture=lineage(shown),
        shades={name: shade(tally) for name, tally in score.by_node.items()},
        survivors={name: [s for s in survivors if s.verdict.mutant.node == name] for name in score.by_node},
        words=_WORDS,
        reddest=f"{REDDEST:.0%}",
        equivalent={
            reason: [(v, difference(v.mutant.before, v.mutant.after)) for v in found]
            for reason, found in groupby(equivalent, key=lambda v: v.reason)
        },
    )


def _nearest(name: str, reads: Mapping[str, Sequence[str]], shown: Mapping[str, Tally]) -> list[str]:
    """What a model reads, skipping models without mutants, which have no box."""
    found: list[str] = []
    for above in reads[name]:
        found += [above] if above in shown else _nearest(above, reads, shown) if above in reads else []
    return list(dict.fromkeys(found))


def shade(tally: Tally) -> int:
    """How green a model is drawn, from 0 at REDDEST or below to 100 if all mutants were seen."""
    if tally.score is None:
        return 100
    return int(max(0.0, (tally.score - REDDEST) / (1 - REDDEST)) * 100)


def difference(before: str, after: str) -> list[TextPiece]:
    """Compare a changed text word by word. Long unchanged parts are cut."""
    left, right = _TOKENS.findall(printable(before)), _TOKENS.findall(printable(after))
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    blocks = matcher.get_opcodes()
    pieces: list[TextPiece] = []
    for number, (kind, start, end, other_start, other_end) in enumerate(blocks):
        if kind == "equal":
            pieces.append(TextPiece("same", _cut("".join(left[start:end]), number > 0, number < len(blocks) - 1)))
            continue
        if end > start:
            pieces.append(TextPiece("gone", "".join(left[start:end])))
        if other_end > other_start:
            pieces.append(TextPiece("come", "".join(right[other_start:other_end])))
    return pieces


def _cut(text: str, begins_after: bool, ends_before: bool) -> str:
    """Keep the part of an unchanged text that is next to a change."""
    if len(text) <= 2 * _CONTEXT + 3:
        return text
    return (text[:_CONTEXT] if begins_after else "") + " … " + (text[-_CONTEXT:] if ends_before else "")


def _shown(score: Score, verdict: Verdict) -> Shown:
    spoiled = score.spoiled.get(verdict.mutant.id, Spoiled())
    return Shown(verdict, difference(verdict.mutant.before, verdict.mutant.after), printable(spoiled.words), spoiled)


def badge(tally: Tally) -> str:
    """Draw a badge with the score for a README, as SVG."""
    score = tally.score or 0.0
    colour = "#1a7f45" if score >= _GREEN else "#96600a" if score >= REDDEST else "#c0242c"
    value = percent(tally)
    return fill("badge.svg", value=value, colour=colour, width=round(_CHARACTER * len(value) + 14))
