"""What dbt_utils is to sqlfluff: a key as SQL, of which only the form matters here."""

from collections.abc import Sequence


def generate_surrogate_key(field_list: Sequence[str]) -> str:
    """Return SQL for a key made of fields."""
    return f"md5(concat_ws('-', {', '.join(field_list)}))"
