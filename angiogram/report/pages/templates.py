"""The templates of the pages, and the protection of a page against its content.

Everything that comes from the pipeline is escaped. Should anything slip through, the page's own policy stops it:
nothing is loaded from anywhere, and only the page's own script runs, by its hash.
"""

import base64
import hashlib
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from angiogram.core.durations import utc
from angiogram.store.versions import short_commit


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("angiogram.report.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = _count
    environment.filters["commit"] = short_commit
    environment.filters["utc"] = utc
    return environment


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


@cache
def _part(name: str) -> str:
    source = _environment().loader
    assert source is not None  # noqa: S101  # set above
    return source.get_source(_environment(), name)[0]


def fill(template: str, **values: Any) -> str:
    """Render a template of this package.

    Args:
        template: its file name.
        values: what it names.
    """
    script = _part("page.js")
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src 'unsafe-inline'; script-src 'sha256-{script_hash}'"
    )
    # The project's own files, not data.
    parts = {"style": Markup(_part("page.css")), "script": Markup(script)}  # noqa: S704
    return _environment().get_template(template).render(**parts, policy=policy, **values)
