"""Names that are longer than PostgreSQL keeps."""

from hashlib import sha256

_LONGEST = 63
"""Length in bytes at which PostgreSQL cuts a name."""


def cut_name(name: str, longest: int = _LONGEST) -> str:
    """Return a name as PostgreSQL cuts it: at 63 bytes or fewer, between two letters."""
    return name.encode()[:longest].decode(errors="ignore")


def shortened(name: str, before_mark: str) -> str:
    """Return a name that PostgreSQL does not cut: a long one ends with a mark of its own.

    Args:
        name: the name.
        before_mark: the character between the beginning of a long name and its mark.
    """
    if cut_name(name) == name:
        return name
    mark = sha256(name.encode()).hexdigest()[:16]
    return f"{cut_name(name, _LONGEST - len(mark) - 1)}{before_mark}{mark}"
