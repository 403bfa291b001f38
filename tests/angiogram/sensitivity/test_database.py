"""Sessions as the project's dbt profile describes them."""

from contextlib import closing
from pathlib import Path

from angiogram.dbt.command import run_in_scratch
from angiogram.warehouse.sessions import open_sessions


def test_a_session_has_the_role_the_search_path_and_the_certificates_of_the_profile(coffee_shop: Path) -> None:
    profile = coffee_shop / "profiles.yml"
    text = profile.read_text()
    assert "user: angiogram\n" in text
    text = text.replace("DBT_ENV_SECRET_ANGIOGRAM_PASSWORD", "PG_ADMIN_PASSWORD")
    files = {"sslrootcert": "/ca.pem", "sslcert": "/cert.pem", "sslkey": "/key.pem"}
    settings = {"search_path": "shop, public"} | files
    role = {"user": "\"{{ env_var('PG_ADMIN_USER') }}\"", "role": "angiogram"} | settings
    lines = "".join(f"{name}: {value}\n      " for name, value in role.items()).strip(" ")
    profile.write_text(text.replace("user: angiogram\n", lines))
    run_in_scratch(coffee_shop, ["parse"], "angiogram")  # from then on dbt knows where the profile is
    (session,) = open_sessions(coffee_shop, "angiogram", 1)
    with closing(session), session.cursor() as query:
        query.execute("select current_user, current_setting('search_path')")
        assert query.fetchone() == ("angiogram", "shop, public")
        assert files.items() <= session.info.dsn_parameters.items()
