"""The fault catalogue, and a handful of its faults played by the command `angiogram faults`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from angiogram.core.errors import FaultNotPlanted, InvalidSettings, UnknownFault, UnsupportedProject
from angiogram.core.stage_id import EXPECTED, MODEL, SEED, StageId
from angiogram.faults import document
from angiogram.faults.catalogue import catalogue_of, chosen
from angiogram.faults.door import Parcel, tampering_door
from angiogram.faults.fault import Fault, Ground
from angiogram.faults.play import Played
from taxi.faults import CATALOGUE
from tests.angiogram.conftest import PROJECT, Outcome

HANDFUL = {
    "api-acknowledges-without-publishing": "api:rides",
    "message-lost": "topic:rides",
    "forged-dye-header": "checkpoint:unverified dye = released",
    "loader-loads-twice": "loader:rides",  # whose copies must not be there when the next one is loaded
    "yesterdays-dye-answers": "loader:rides",
    "column-renamed-under-its-readers": "int_rides__checked",
    "offset-narrowed": "stg_taxi__rides",
    "two-faults-at-once": "stg_taxi__rides, fct_rides",
    "stale-rates": "seed:exchange_rates",
    "expected-cell-wrong": "expected:daily_revenue",
    "messages-reordered": None,
}
"""One fault of each kind, and the stage to be named; what one leaves must not be met by the next."""


def test_the_catalogue_has_at_least_forty_faults_each_under_a_name_of_its_own() -> None:
    assert len([fault for fault in CATALOGUE if fault.planted]) >= 40
    assert len({fault.name for fault in CATALOGUE}) == len(CATALOGUE)
    assert {"tax-left-out", "unmapped-10004", "rides-of-1970-counted", "no-deduplication"} <= {
        f.name for f in CATALOGUE
    }


def test_faults_are_chosen_by_name_and_an_unknown_name_is_refused() -> None:
    assert [fault.name for fault in chosen(CATALOGUE, ["stale-rates", "message-lost"])] == [
        "message-lost",
        "stale-rates",
    ]
    assert chosen(CATALOGUE, []) == list(CATALOGUE)
    with pytest.raises(UnknownFault, match="no-such-fault"):
        chosen(CATALOGUE, ["message-lost", "no-such-fault"])


def test_a_project_names_its_catalogue_and_one_without_is_refused(tmp_path: Path) -> None:
    assert catalogue_of(PROJECT) == CATALOGUE
    with pytest.raises(UnsupportedProject, match=r"declares no faults to play: .*`faults: package\.module:CATALOGUE`"):
        catalogue_of(tmp_path)
    (tmp_path / "angiogram.yml").write_text("faults: json:dumps\n")
    with pytest.raises(InvalidSettings, match=r"angiogram\.yml:1 faults: is not a sequence of"):
        catalogue_of(tmp_path)


def test_every_edit_of_the_catalogue_finds_its_text_in_todays_project() -> None:
    for fault in CATALOGUE:
        if fault.name != "reference-data-changed-with-its-seeds":  # it writes seeds besides
            fault.plant(_Recorder(project=PROJECT))


def test_every_model_and_seed_that_the_catalogue_names_is_there() -> None:
    folders = {MODEL: "models/**/{}.sql", SEED: "seeds/reference/{}.csv", EXPECTED: "seeds/**/expected__{}.csv"}
    named = {StageId.parse(stage) for fault in CATALOGUE for stage in fault.planted}
    missing = [str(s) for s in named if s.kind in folders and not [*PROJECT.glob(folders[s.kind].format(s.name))]]
    assert missing == []


class _Recorder(Ground):
    """A ground that checks each edit and writes nothing."""

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        text = (self.project / path).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"{path}: {old}"
            text = text.replace(old, new)


def test_a_fault_that_finds_nothing_to_change_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.sql").write_text("select 1", encoding="utf-8")
    with pytest.raises(FaultNotPlanted, match="select 2"):
        Ground(tmp_path).edit("model.sql", ("select 2", "select 3"))


def test_a_door_at_which_nothing_was_changed_is_an_error() -> None:
    with (
        pytest.raises(FaultNotPlanted, match="No message was changed"),
        tampering_door("http://127.0.0.1:9", _unchanged),
    ):
        pass


def _unchanged(parcel: Parcel) -> list[Parcel]:
    return [parcel]


def _played(planted: tuple[str, ...], verdict: str, named: tuple[str, ...]) -> Played:
    return Played(Fault("x", "X.", planted, lambda ground: None), verdict, named, 1.0)


@pytest.mark.parametrize(
    ("played", "as_expected"),
    [
        (_played(("api",), "blocked", ("api",)), True),
        (_played(("api",), "blocked", ("api", "loader")), False),
        (_played(("api", "loader"), "blocked", ("loader",)), False),
        (_played(("api",), "healthy", ()), False),
        (_played((), "healthy", ()), True),
        (_played((), "blocked", ("api",)), False),
        (_played((), "could_not_run", ()), False),
    ],
)
def test_only_the_planted_stages_all_of_them_and_no_others_are_as_expected(played: Played, as_expected: bool) -> None:
    assert played.as_expected is as_expected


def test_the_table_keeps_the_rows_of_faults_that_were_not_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "faults.md"
    file.write_text(f"# Faults\n{document.BEGIN}\n{document.END}\nthe end\n", encoding="utf-8")
    monkeypatch.setattr(document, "DOCUMENT", file)
    first, second = CATALOGUE[:2]
    document.write_document([Played(second, "blocked", second.planted, 2.0)], CATALOGUE)
    document.write_document([Played(first, "healthy", (), 3.0)], CATALOGUE)
    text = file.read_text(encoding="utf-8")
    assert "2 faults played, 1 verdicts as expected." in text
    assert text.index(f"| {first.name} |") < text.index(f"| {second.name} |")
    assert text.startswith("# Faults\n")
    assert text.endswith("\nthe end\n")


def test_a_fault_of_each_kind_is_named_at_its_stage(angiogram: Callable[..., Outcome]) -> None:
    outcome = angiogram("faults", *HANDFUL, "--json")
    assert outcome.code == 0, outcome.stderr
    played = json.loads(outcome.stdout)
    assert {fault["name"]: fault["named_stage"] for fault in played} == HANDFUL
    for fault in played:
        assert fault["planted_stage"] == fault["named_stage"]
        assert fault["detected"] is (fault["planted_stage"] is not None)
        assert fault["seconds"] > 0
