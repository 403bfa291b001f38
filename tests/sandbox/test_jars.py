"""Kafka's jars are fetched once, from where the user says, and never used unless they are the locked ones."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox import jars
from sandbox.errors import FolderUnusable, JarsUnavailable, JarTampered
from sandbox.ports import choose
from tests.sandbox.conftest import Run

CONTENT = b"the bytes of a jar"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LOCK = f"""
[[dependencies]]
groupId = "org.example.group"
artifactId = "thing"
version = "1.2"
packaging = "jar"
sha256 = "{SHA256}"
"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven mirror on this machine that holds the one jar locked; gives the jar's file there."""
    lock = tmp_path / "kafka.lock.toml"
    lock.write_text(LOCK)
    jar = tmp_path / "mirror" / "org" / "example" / "group" / "thing" / "1.2" / "thing-1.2.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path / "mirror")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(jars, "LOCK_FILE", lock)
        monkeypatch.setenv("SANDBOX_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("SANDBOX_MAVEN_MIRROR", f"http://127.0.0.1:{server.server_port}/")
        yield jar
        server.shutdown()
        thread.join()


def cached(tmp_path: Path) -> list[str]:
    """What the cache holds."""
    return [path.name for path in (tmp_path / "cache" / "jars").iterdir()]


def test_a_jar_is_fetched_from_the_mirror_once(mirror: Path, tmp_path: Path) -> None:
    (first,) = jars.kafka_jars()
    assert first.read_bytes() == CONTENT
    mirror.unlink()
    assert jars.kafka_jars() == [first]
    assert cached(tmp_path) == [first.name]


def test_a_jar_that_is_not_the_locked_one_is_not_kept(mirror: Path, tmp_path: Path) -> None:
    mirror.write_bytes(b"evil")
    actual = hashlib.sha256(b"evil").hexdigest()
    with pytest.raises(JarTampered, match=rf"(?s)thing-1\.2\.jar.*{SHA256}.*{actual}.*do not trust it"):
        jars.kafka_jars()
    assert cached(tmp_path) == []


def test_a_jar_that_the_mirror_lacks_is_named(mirror: Path, tmp_path: Path) -> None:
    mirror.unlink()
    with pytest.raises(JarsUnavailable, match=r"org\.example\.group:thing:1\.2.*SANDBOX_MAVEN_MIRROR"):
        jars.kafka_jars()
    assert cached(tmp_path) == []


def test_without_a_network_the_error_says_what_to_do(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_MAVEN_MIRROR", f"http://127.0.0.1:{choose()}")
    with pytest.raises(JarsUnavailable, match=r"thing:1\.2.*SANDBOX_MAVEN_MIRROR"):
        jars.kafka_jars()


def test_a_cache_that_cannot_be_made_is_named(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "no-folder"
    file.touch()
    monkeypatch.setenv("SANDBOX_CACHE_DIR", str(file))
    with pytest.raises(FolderUnusable, match=r"no-folder.*SANDBOX_CACHE_DIR"):
        jars.kafka_jars()


def test_up_does_not_start_kafka_with_a_tampered_jar(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "jars"
    cache.mkdir()
    for jar in jars.kafka_jars():
        (cache / jar.name).symlink_to(jar)
    tampered = next(cache.glob("*kafka-clients*"))
    content = tampered.read_bytes()
    tampered.unlink()
    tampered.write_bytes(content + b"\0")
    monkeypatch.setenv("SANDBOX_CACHE_DIR", str(tmp_path))
    done = run("up")
    assert done.returncode == 2
    for part in (str(tampered), hashlib.sha256(content).hexdigest(), "Delete the file", "Traceback"):
        assert (part in done.stderr) is (part != "Traceback")
    assert not (folder / "kafka").exists()


def test_every_locked_jar_has_a_checksum_and_a_name_of_its_own() -> None:
    locked = jars.locked_jars()
    assert {"kafka_2.13", "kafka-clients", "slf4j-simple"} <= {jar.artifact for jar in locked}
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in locked)
    assert len({jar.file_name for jar in locked}) == len(locked)
