"""The files of expected seeds are written all or none, keep their form, and nobody's edit is lost."""

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.author.accept import propose, write
from angiogram.author.output import Output, SeedForm
from angiogram.core.errors import SeedNotWritten
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.file_journal import JOURNAL, settle
from angiogram.dbt.seeds.stored_seeds import StoredSeed, replace_all
from tests.angiogram.coffee_shop import copied
from tests.angiogram.shop import APART


@pytest.fixture
def seeds(tmp_path: Path) -> list[StoredSeed]:
    """Two stored seeds."""
    for name in ("first.csv", "second.csv"):
        (tmp_path / name).write_bytes(b"id\n1\n")
    return [StoredSeed.read(path) for path in sorted(tmp_path.iterdir())]


def files(seeds: list[StoredSeed]) -> dict[str, bytes]:
    """All that lies in their folder."""
    return {path.name: path.read_bytes() for path in seeds[0].path.parent.iterdir()}


def test_all_are_written_and_keep_their_rights_and_nothing_else_is_left(seeds: list[StoredSeed]) -> None:
    seeds[0].path.chmod(0o640)
    assert replace_all(seeds[0].path.parent, [(seed, b"id\n2\n") for seed in seeds]) == [seed.path for seed in seeds]
    assert files(seeds) == {"first.csv": b"id\n2\n", "second.csv": b"id\n2\n"}
    assert seeds[0].path.stat().st_mode & 0o777 == 0o640


def test_if_one_cannot_be_written_none_is(seeds: list[StoredSeed]) -> None:
    """A limit on the size of files stands for a full disk; both hold for the administrator, too."""
    before = files(seeds)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, usual[1]))
    try:
        with pytest.raises(SeedNotWritten, match=r"second\.csv cannot be written: .*Nothing is written"):
            replace_all(seeds[0].path.parent, [(seeds[0], b"id\n2\n"), (seeds[1], b"id\n" + b"1\n" * 1000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert files(seeds) == before


def test_if_the_last_step_fails_the_first_files_are_put_back(
    seeds: list[StoredSeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(seeds)
    renamed = Path.replace

    def replace(new: Path, place: Path) -> Path:
        if place == seeds[1].path and new.read_bytes() != before["second.csv"]:
            raise PermissionError(13, "Permission denied", str(place))
        return renamed(new, place)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(SeedNotWritten, match=r"second\.csv cannot be written: Permission denied\. Nothing is written"):
        replace_all(seeds[0].path.parent, [(seed, b"id\n2\n") for seed in seeds])
    assert files(seeds) == before


@pytest.mark.parametrize("edit", [Path.unlink, lambda path: path.write_bytes(b"id\n3\n")], ids=["deleted", "edited"])
def test_a_file_that_somebody_changed_meanwhile_is_left_alone_and_so_are_the_others(
    seeds: list[StoredSeed], edit: Callable[[Path], object]
) -> None:
    edit(seeds[1].path)
    before = files(seeds)
    with pytest.raises(SeedNotWritten, match=r"second\.csv was changed .*Nothing is written"):
        replace_all(seeds[0].path.parent, [(seed, b"id\n2\n") for seed in seeds])
    assert files(seeds) == before


KILLED = """
import os, sys
from pathlib import Path
from angiogram.dbt.seeds.stored_seeds import StoredSeed, replace_all
renamed, left = Path.replace, int(sys.argv[1])
def replace(new, place):
    global left
    if not left:
        os.kill(os.getpid(), 9)
    left -= 1
    return renamed(new, place)
Path.replace = replace
folder = Path(sys.argv[2])
if left == 4:
    Path.unlink = lambda path, missing_ok=False: os.kill(os.getpid(), 9)
files = [StoredSeed.read(folder / f"{name}.csv", may_be_absent=True) for name in ("first", "new", "second")]
replace_all(folder, [(file, b"id\\n2\\n") for file in files])
"""
AFTER = dict.fromkeys(("first.csv", "new.csv", "second.csv"), b"id\n2\n")


def killed(folder: Path, renames: int) -> None:
    """Write three files, one of them new, in a process killed after some renames; the first is of the journal."""
    ended = subprocess.run([sys.executable, "-c", KILLED, str(renames), str(folder)], check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("renames", range(5))
def test_a_process_killed_between_two_renames_leaves_all_or_none_to_the_next(
    seeds: list[StoredSeed], tmp_path: Path, renames: int
) -> None:
    before = files(seeds)
    killed(tmp_path, renames)
    said: list[str] = []
    settle(tmp_path, said.append)
    after = {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")}
    assert after == (AFTER if renames else before)
    if renames:
        (told,) = said
        assert all(str(tmp_path / name) in told for name in AFTER)
        assert "written now" in told
        assert files(seeds) == AFTER, "nothing else is left"
    said.clear()
    settle(tmp_path, said.append)
    assert said == []


def test_what_a_killed_process_wrote_is_undone_if_somebody_edited_one_of_the_files_since(
    seeds: list[StoredSeed], tmp_path: Path
) -> None:
    killed(tmp_path, renames=3)
    assert (tmp_path / "new.csv").exists()
    seeds[1].path.write_bytes(b"id\n3\n")
    said: list[str] = []
    settle(tmp_path, said.append)
    assert files(seeds) == {"first.csv": b"id\n1\n", "second.csv": b"id\n3\n"}
    assert "undone" in said[0]
    assert f"{seeds[1].path} was edited meanwhile" in said[0]


def test_opening_the_project_completes_what_was_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = copied(tmp_path / "coffee_shop")
    (project / "first.csv").write_bytes(b"id\n1\n")
    killed(project, renames=2)
    Project(project)
    assert (project / "second.csv").read_bytes() == b"id\n2\n"
    assert "All of them are written now" in capsys.readouterr().err


def test_a_journal_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".angiogram").mkdir()
    (tmp_path / JOURNAL).write_text("[{}]")
    with pytest.raises(SeedNotWritten, match=r"writing\.journal was not left by .*then delete it"):
        settle(tmp_path)


def test_a_link_stays_one(seeds: list[StoredSeed], tmp_path: Path) -> None:
    link = tmp_path / "third.csv"
    link.symlink_to("first.csv")
    replace_all(seeds[0].path.parent, [(StoredSeed.read(link), b"id\n2\n")])
    assert link.is_symlink()
    assert (tmp_path / "first.csv").read_bytes() == b"id\n2\n"


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        pytest.param(b"id,note\n1,a\n", b'id,note\n2,"b\nc"\n', id="LF"),
        pytest.param(b"id,note\r\n1,a\r\n", b'id,note\r\n2,"b\nc"\r\n', id="CRLF"),
        pytest.param(b"\xef\xbb\xbfid,note\r\n1,a\r\n", b'\xef\xbb\xbfid,note\r\n2,"b\nc"\r\n', id="BOM"),
        pytest.param(b"", b'id,note\n2,"b\nc"\n', id="empty"),
    ],
)
def test_a_file_keeps_its_line_ends_and_its_mark(stored: bytes, written: bytes) -> None:
    assert StoredSeed(Path("seed.csv"), stored).as_stored('id,note\n2,"b\nc"\n') == written


@pytest.mark.parametrize(
    ("before", "form", "after"),
    [
        pytest.param("id,note\n1,x\n\n2,y\n", SeedForm(), "id,note\n1,x\n2,z\n", id="blank line"),
        pytest.param("id,note\n2\n1,x\n", SeedForm(), "id,note\n2,z\n1,x\n", id="short line"),
        pytest.param('id;note\n1;"x"\n2;y\n', SeedForm(";"), "id;note\n1;x\n2;z\n", id="delimiter"),
        pytest.param("Id,Note\n2,y\n1,x\n", SeedForm(quotes=False), "Id,Note\n2,z\n1,x\n", id="names not quoted"),
        pytest.param('id,note\r\n1,"x"\r\n2,y\r\n', SeedForm(), "id,note\n1,x\n2,z\n", id="CRLF"),
    ],
)
def test_a_seed_is_read_as_dbt_reads_it(before: str, form: SeedForm, after: str) -> None:
    output = Output(["id", "note"], ["id"], [{"id": 1, "note": "x"}, {"id": 2, "note": "z"}])
    assert output.as_seed(before, form) == after


def test_a_line_break_in_a_cell_that_stays_the_same_keeps_its_words() -> None:
    output = Output(["id", "note"], ["id"], [{"id": 1, "note": "x\ny"}])
    assert output.as_seed('id,note\r\n1,"x\r\ny"\r\n') == 'id,note\n1,"x\r\ny"\n'


def test_accept_writes_a_seed_of_a_spreadsheet_as_it_was_and_not_over_an_edit(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """Mark of the byte order, line ends, column order and 8.40 stay; only the cell that changed is another one."""
    project = shop(
        APART,
        models=("select id, cents from", "select id, cents / 100.0 as cents from"),
        dbt_project=(
            "expected__orders: {+column_types: {id: integer, cents: integer}}",
            "expected__orders: {+column_types: {id: integer, cents: numeric}}",
        ),
    )
    (project.directory / "seeds" / "input" / "raw_orders.csv").write_text("id,cents\n1,840\n2,250\n")
    seed = project.directory / "seeds" / "expected" / "expected__orders.csv"
    seed.write_bytes(b"\xef\xbb\xbfid,cents\r\n2,9.99\r\n\r\n1,8.40\r\n")
    said: list[str] = []
    proposals = propose(project, [], said.append)
    [proposal] = proposals.models
    edited = seed.read_bytes() + b"3,1.00\r\n"
    seed.write_bytes(edited)
    with pytest.raises(SeedNotWritten, match="was changed"):
        write(project, proposals)
    assert seed.read_bytes() == edited

    seed.write_bytes(proposal.stored.content)
    surface = project.directory / ".angiogram" / "surface.yml"
    assert not surface.exists(), "all or none"
    assert write(project, proposals) == [seed, surface]
    assert seed.read_bytes() == b"\xef\xbb\xbfid,cents\r\n2,2.50\r\n1,8.40\r\n"
    assert propose(project, [], said.append).models == []
