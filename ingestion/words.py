"""Words that depend on a number: singular and plural."""


def counted(number: int, noun: str) -> str:
    """A number and what it counts: 1 file, 2,000 files."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
