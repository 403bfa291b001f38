"""Install the dbt packages that packages.yml names: python dbt_project/install_packages.py

Calls `dbt deps`. Where the package hub does not answer, which would leave nothing to build with, it puts the stand-in
of dbt_utils from stand_in/ in place and says so; once the hub answers, the next call replaces it. What `dbt deps` has
installed is never replaced by the stand-in. data_angiogram is linked from the repository, or else from the installed
angiogram. A second call with nothing to do takes no time.

Exit codes: 0 installed, 2 could not install.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path

from angiogram.dbt.package.installing import install

PROJECT = Path(__file__).resolve().parent
PACKAGES = PROJECT / "dbt_packages"
STAND_IN = PROJECT / "stand_in"
INSTALLED = PACKAGES / "dbt_utils" / ".installed"
"""Says `hub` or `stand-in`, and a hash of what it was installed from. `dbt deps` called by hand removes it."""

HUB_SECONDS = 2.0
"""How long the hub may take to answer; dbt itself would try for nine."""


def fingerprint(*sources: Path) -> str:
    """A hash of the files' contents: another one means another installation."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def hub_answers() -> bool:
    """Whether the package hub sends its index. A firewall's own page is no answer of the hub."""
    from dbt.clients.registry import DEFAULT_REGISTRY_BASE_URL  # dbt's own choice; the import takes a second

    try:
        with urllib.request.urlopen(f"{DEFAULT_REGISTRY_BASE_URL}api/v1/index.json", timeout=HUB_SECONDS) as answer:  # noqa: S310
            return isinstance(json.load(answer), list)
    except (OSError, HTTPException, ValueError):
        return False


def install_from_hub() -> int:
    """Run `dbt deps`; its exit code."""
    dbt = Path(sys.executable).with_name("dbt")
    command = [str(dbt), "deps", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode  # noqa: S603


def install_stand_in() -> None:
    """Copy the stand-in to where dbt looks for packages."""
    if PACKAGES.exists():
        shutil.rmtree(PACKAGES)
    shutil.copytree(STAND_IN, PACKAGES)


def main() -> int:
    """Install what is missing; the exit code."""
    installed = INSTALLED.read_text(encoding="utf-8") if INSTALLED.exists() else ""
    from_hub = f"hub {fingerprint(PROJECT / 'packages.yml')}"
    from_stand_in = f"stand-in {fingerprint(*sorted(path for path in STAND_IN.rglob('*') if path.is_file()))}"
    if installed == from_hub:
        install(PROJECT)  # mends its link where the checkout was moved
        return 0
    if hub_answers():
        if install_from_hub() != 0:
            print(
                "The dbt packages were not installed: `dbt deps` failed although the hub answers; see above.",
                file=sys.stderr,
            )
            return 2
        INSTALLED.write_text(from_hub, encoding="utf-8")
        return 0
    if not installed and (PACKAGES / "dbt_utils" / "dbt_project.yml").exists():
        install(PROJECT)
        return 0  # dbt deps was called by hand
    if installed != from_stand_in:
        install_stand_in()
        INSTALLED.write_text(from_stand_in, encoding="utf-8")
    install(PROJECT)
    print(
        "WARNING: the dbt package hub does not answer. The project's own stand-in for dbt_utils is installed: "
        "same names, same results, only the macros used here. Run this again once the hub can be reached.",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
