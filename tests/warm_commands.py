"""What the fork server of tests/commands.py does once: import what commands import, and parse dbt's own macros."""

import os
import tempfile
from contextlib import redirect_stderr
from pathlib import Path

from angiogram.dbt.command import run_dbt

PROFILE = "shop: {target: a, outputs: {a: {type: postgres, host: h, port: 1, dbname: d, schema: s, user: u, pass: p}}}"

with tempfile.TemporaryDirectory(prefix="warm-") as folder, open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
    Path(folder, "dbt_project.yml").write_text("{name: shop, profile: shop}")
    Path(folder, "profiles.yml").write_text(PROFILE)
    places = ("--project-dir", folder, "--profiles-dir", folder, "--target-path", folder, "--log-path", folder)
    run_dbt(["--log-level", "none", "--no-send-anonymous-usage-stats", "parse", *places])
