"""What the dbt package is to sqlfluff: the answers of a live target."""


def is_dye_target() -> bool:
    """Return that models read live rows."""
    return False


def held_because() -> None:
    """Return that the marts are not held."""
