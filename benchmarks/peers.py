"""The peers: other tools that bring a topic into PostgreSQL, each in an environment of its own under .bench/."""

from collections.abc import Callable

from benchmarks.measure import Contender


def installed_peers(count: int, say: Callable[[str], None]) -> tuple[list[Contender], dict[str, str]]:
    """Install what is not there yet. Returns those that can run, and why the others cannot, by name."""
    return [], {}
