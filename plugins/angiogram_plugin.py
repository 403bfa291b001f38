"""Show angiogram's pages in Airflow: an entry `Angiogram` in its navigation.

Whoever may read the DAG `angiogram` may see them. Airflow's API server needs the database's address and the password of
the role angiogram in its environment. Every Airflow process imports this file, so it imports what only the API server
needs inside the method that needs it.
"""

from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin


class AngiogramPlugin(AirflowPlugin):
    """Serves the pages under /angiogram and shows them in a frame under /plugin/angiogram."""

    name = "angiogram"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]  # Airflow only reads it
        """The application that serves the pages, behind Airflow's login."""
        from airflow.api_fastapi.core_api.security import requires_access_dag
        from fastapi import Depends

        from angiogram.report.pages.served import application

        guard = Depends(requires_access_dag("GET", param_dag_id="angiogram"))
        return [{"app": application([guard]), "url_prefix": "/angiogram", "name": "Angiogram"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]  # Airflow only reads it
        """The entry in the navigation."""
        path = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
        return [{"name": "Angiogram", "href": f"{path}/angiogram/", "url_route": "angiogram", "nav_top_level": True}]
