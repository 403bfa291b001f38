"""Which models read the clock, and the macro that freezes it under the dye."""

import re
from dataclasses import dataclass
from typing import Any

from angiogram.core.stage_id import MODEL
from angiogram.dbt.manifest.lookup import nodes_of

FREEZING = "frozen_clock"
"""The macro of the dbt package by which the present time is fixed under a dye target."""

_BY_DBT = re.compile(r"\b(?:dbt|dbt_utils)\.current_timestamp\(\)|\{\{\s*current_timestamp\(\)", re.IGNORECASE)
_OTHERWISE = re.compile(
    r"\b(now|getdate|current_timestamp|current_date|current_time|localtimestamp|localtime|sysdate|clock_timestamp"
    r"|statement_timestamp|transaction_timestamp|today|run_started_at)\b",
    re.IGNORECASE,
)
"""What reads the clock, in SQL or in Jinja."""
_FROZEN = re.compile(rf"\b{FREEZING}\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Clock:
    """The models that read the clock.

    Attributes:
        by_dbt: those that read it through dbt's macro alone, which the dye can freeze.
        otherwise: the others, with what reads it.
    """

    by_dbt: list[str]
    otherwise: dict[str, str]

    @classmethod
    def of(cls, manifest: Any) -> "Clock":
        """Look through the models of a manifest."""
        by_dbt, otherwise = [], {}
        for model in nodes_of(manifest, MODEL):
            text = _FROZEN.sub("", model.raw_code)
            if found := _OTHERWISE.search(_BY_DBT.sub("", text)):
                otherwise[model.search_name] = found[0]
            elif _BY_DBT.search(text):
                by_dbt.append(model.search_name)
        return cls(by_dbt, otherwise)


def overriding(adapter: str) -> tuple[str, str]:
    """Return the name and the text of the macro that takes the place of an adapter's clock."""
    name = f"{adapter}__current_timestamp"
    return name, (
        "{#- Under a dye target the clock stands at the variable dye_clock. #}\n"
        f"{{% macro {name}() -%}}\n"
        f"    {{{{ data_angiogram.{FREEZING}(dbt.{name}()) }}}}\n"
        "{%- endmacro %}\n"
    )
