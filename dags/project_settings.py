"""Where the DAGs find the dbt project: the only module here that reads the environment.

Airflow reads the DAG files again and again, so this imports nothing of angiogram.
"""

import os
from pathlib import Path

PROJECT = Path(os.environ.get("DBT_PROJECT_DIR") or Path(__file__).resolve().parents[1] / "dbt_project")
"""The folder of the dbt project: DBT_PROJECT_DIR, or the one beside this folder."""

PROFILES = Path(os.environ.get("DBT_PROFILES_DIR") or PROJECT)
"""The folder with profiles.yml: DBT_PROFILES_DIR, or the project's."""
