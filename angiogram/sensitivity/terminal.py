"""Prints the score in the terminal."""

from rich.console import Console
from rich.table import Table

from angiogram.sensitivity.bench.score import Score, Spoiled, Tally, Verdict

_LONGEST = 70
"""Characters of a survivor's SQL that are shown. --json has all of it."""


def print_score(console: Console, score: Score, shown: int) -> None:
    """Print the score per model and operator, and the first survivors."""
    for title, tallies in (("model or seed", score.by_node), ("operator", score.by_operator)):
        console.print(_table(title, tallies, score.total))
    survivors = score.survivors()
    if survivors and shown:
        console.print(_survivors(survivors[:shown]))
        alike: dict[Spoiled, list[str]] = {}
        for v in survivors[:shown]:
            if v.mutant.id in score.spoiled:
                alike.setdefault(score.spoiled[v.mutant.id], []).append(v.mutant.id)
        for spoiled, mutants in alike.items():
            _print_spoiled(console, ", ".join(mutants), spoiled)
        if len(survivors) > shown:
            console.print(f"... and {len(survivors) - shown} more: --json has them all.")
    console.print(
        f"{score.total.seen} of {score.total.mutants - score.total.equivalent} mutants seen: {percent(score.total)}, "
        f"{score.seen_elsewhere} of them only in other surroundings than a run's; "
        f"{score.mutants_per_second:.0f} mutants per second"
    )
    if score.interval:
        low, high = (f"{int(bound * 1000) / 10:.1f} %" for bound in score.interval)
        console.print(
            f"A random sample: {score.unmeasured} mutants were not measured. With a confidence of 95 %, the score of "
            f"all is between {low} and {high}."
        )
    elif score.unmeasured:
        console.print(f"{score.unmeasured} mutants were not measured.")


def _print_spoiled(console: Console, mutants: str, spoiled: Spoiled) -> None:
    if spoiled.words:
        console.print(f"{mutants} spoils, unseen: {spoiled.words}", markup=False)
        return
    console.print(f"{mutants}: {spoiled.sentence()}", markup=False)
    for some in spoiled.rows:
        console.print(f"{some.file}:", markup=False, soft_wrap=True)
        print(f"{some.header}\n{some.lines}", file=console.file)  # to be pasted: keeps lines and tabs as they are


def percent(tally: Tally) -> str:
    """The score in percent, rounded down, so that 100 % means all mutants."""
    return "-" if tally.score is None else f"{int(tally.score * 1000) / 10:.1f} %"


def _table(title: str, tallies: dict[str, Tally], total: Tally) -> Table:
    table = Table(title, box=None, header_style="bold")
    for header in ("mutants", "seen", "equivalent", "blind spots", "unknown", "score"):
        table.add_column(header, justify="right")
    for name, tally in [*tallies.items(), ("all", total)]:
        counts = (tally.mutants, tally.seen, tally.equivalent, tally.blind_spots, tally.unknown)
        table.add_row(name, *map(str, counts), percent(tally), style="bold" if name == "all" else None)
    return table


def _survivors(verdicts: list[Verdict]) -> Table:
    table = Table("survivor", "state", "place", "before", "after", box=None, header_style="bold")
    for v in verdicts:
        table.add_row(v.mutant.id, v.state, v.mutant.place, *map(_short, (v.mutant.before, v.mutant.after)))
    return table


def _visible(text: str) -> str:
    """Escape brackets, which would be read as markup."""
    return text.replace("[", "\\[")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return _visible(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}...")
