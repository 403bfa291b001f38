"""Who is to blame, told by one rule in every run."""

from collections.abc import Callable
from pathlib import Path

from tests.angiogram.conftest import Outcome
from tests.angiogram.recorded import blocked, differences_at
from tests.dbt.project import DbtProject

Angiogram = Callable[..., Outcome]

RENAMED_IN_PART = ("extract(week from date_day)::integer as iso_week,", "extract(week from date_day)::integer as week,")


def test_where_model_or_expected_seed_may_be_wrong_both_runs_name_both_the_likelier_first(
    angiogram: Angiogram, project_copy: Path
) -> None:
    """The seed, unless a column went missing that the model's description still names."""
    project = DbtProject(project_copy)
    project.replace("models/staging/stg_taxi__rides.sql", "        currency,\n", "        currency, pax_id as rider,\n")
    project.replace("models/dimensions/dim_dates.sql", *RENAMED_IN_PART)
    project.replace("models/revenue/revenue_by_currency.sql", "as ride_count", "as rides")
    marts = project_copy / "models" / "revenue" / "_revenue__models.yml"
    before, mart = marts.read_text(encoding="utf-8").split("  - name: revenue_by_currency")
    mart = mart.replace("- name: ride_count", "- name: rides")
    marts.write_text(f"{before}  - name: revenue_by_currency{mart}", encoding="utf-8")
    places = {"DBT_PROJECT_DIR": str(project_copy), "DBT_TARGET_PATH": str(project_copy / "t")}

    live = angiogram("run", "--json", **places).report()
    from_seeds = angiogram("run", "--from-seeds", "--json", **places).report()

    assert sorted(blocked(live)) == sorted(blocked(from_seeds))
    for report in (live, from_seeds):
        for first, second in (
            ("expected:stg_taxi__rides", "stg_taxi__rides"),
            ("dim_dates", "expected:dim_dates"),
            ("expected:revenue_by_currency", "revenue_by_currency"),
        ):
            assert [name for name in blocked(report) if name in (first, second)] == [first, second]
            assert differences_at(report, first)["count"] > 0
            assert differences_at(report, second)["count"] == 0
        assert len(blocked(report)) == 6
        texts = {
            finding["stage"]["kind"] + ":" + finding["stage"]["name"]: finding["text"] for finding in report["findings"]
        }
        assert texts["expected:dim_dates"] == (
            "dim_dates has the column week, which its expected seed does not have, and is missing iso_week; all other"
            " columns are equal. If the model is right, rewrite the seed: angiogram accept dim_dates"
        )
