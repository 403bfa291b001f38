"""Kafka's jars: fetched once by jgo, then kept in the user's cache.

They are checked against kafka.lock.toml at every start.
"""

import hashlib
import logging
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests
from jgo.maven import MavenContext

from ingestion.addresses import without_user_info
from sandbox.errors import FolderUnusable, JarsUnavailable, JarTampered
from sandbox.settings import SandboxSettings
from sandbox.state import check_room

LOCK_FILE = Path(__file__).with_name("kafka.lock.toml")

_CONNECTIONS = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LockedJar:
    """A jar by its Maven coordinates, and the only content accepted for it."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Return its name in the cache, since artifact names alone are not unique."""
        return f"{self.group}.{self.artifact}-{self.version}.jar"


def locked_jars() -> list[LockedJar]:
    """Return the jars that kafka.lock.toml names."""
    lock = tomllib.loads(LOCK_FILE.read_text())
    return [LockedJar(j["groupId"], j["artifactId"], j["version"], j["sha256"]) for j in lock["dependencies"]]


def kafka_jars() -> list[Path]:
    """Return Kafka's jars on disk, each with the locked content. Missing ones are fetched.

    Raises:
        JarsUnavailable: one could not be fetched.
        JarTampered: the content of one is not the locked one.
        DiskFull: there is no space for them.
        FolderUnusable: the folder for them cannot be created, read or written.
    """
    folder = SandboxSettings.from_environment().cache / "jars"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _all(folder)
    except OSError as error:
        raise FolderUnusable(
            f"Kafka's jars cannot be kept in {folder}: {error.strerror or error}. "
            "Choose another folder with SANDBOX_CACHE_DIR."
        ) from error


def _all(folder: Path) -> list[Path]:
    wanted = locked_jars()
    if missing := [jar for jar in wanted if not (folder / jar.file_name).exists()]:
        check_room(folder)
        _log.info("Fetching %d of Kafka's jars into %s", len(missing), folder)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return list(pool.map(lambda jar: _have(jar, folder), wanted))


def _have(jar: LockedJar, folder: Path) -> Path:
    path = folder / jar.file_name
    if path.exists():
        _check(jar, path, "Delete the file; the next `sandbox up` fetches it anew.")
        return path
    # Fetched into a separate folder and moved after the check: an interrupted fetch leaves nothing that looks complete.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as draft:
        fetched = _fetch(jar, Path(draft))
        _check(jar, fetched, "The server that it came from serves a different file: do not trust it.")
        fetched.replace(path)
    return path


def _fetch(jar: LockedJar, draft: Path) -> Path:
    mirror = SandboxSettings.from_environment().maven_mirror
    context = MavenContext(
        repo_cache=draft, remote_repos={"mirror": mirror.rstrip("/")} if mirror else None, timeout=20
    )
    try:
        return context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (requests.RequestException, RuntimeError) as error:  # jgo says "not found" by RuntimeError
        why = without_user_info(f"{mirror or 'the default Maven repository'}: {error}")
        raise JarsUnavailable(
            f"{jar.group}:{jar.artifact}:{jar.version}, a part of Kafka, could not be fetched from {why}. "
            "Check the network, or set SANDBOX_MAVEN_MIRROR to a mirror that you can reach."
        ) from error


def _check(jar: LockedJar, path: Path, advice: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != jar.sha256:
        raise JarTampered(
            f"{path} is not the jar that {LOCK_FILE.name} locks: SHA-256 expected {jar.sha256}, actual {actual}. "
            f"{advice}"
        )
