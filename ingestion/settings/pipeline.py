"""The pipeline that this process works for: its name, its dbt project and its contract.

The contract is named in `angiogram.yml` beside dbt_project.yml. The project is the folder in DBT_PROJECT_DIR, else the
nearest folder with a dbt_project.yml from the working directory upwards, else `dbt_project` in this checkout, else the
working directory.
"""

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import typer

from ingestion.contract import Contract
from ingestion.errors import ContractUnusable
from ingestion.extras import missing
from ingestion.settings.base import ProjectSettings
from ingestion.settings.project_file import PROJECT_FILE, project_name
from ingestion.settings.settings_file import EXAMPLE, DeclaredContract, SettingsFile, parts_of_import_path

_CHECKOUT = Path(__file__).resolve().parents[2] / "dbt_project"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a pipeline's settings file contains for ingestion.

    Attributes:
        file: its settings file.
        name: the pipeline's name, used in its runs and leases; the same as that of its dbt project.
        contract_path: import path of its contract, as `module:NAME`; None if the file names none.
    """

    file: SettingsFile
    name: str
    contract_path: str | None

    def contract(self) -> Contract:
        """Import the pipeline's contract.

        Raises:
            ContractUnusable: none is declared, it cannot be imported, or it is not a Contract.
        """
        if self.contract_path is None:
            raise ContractUnusable(
                f"{self.file.path} names no contract, so the pipeline's messages, tables and roles are unknown. "
                f"Add a line such as {EXAMPLE}, or set DBT_PROJECT_DIR to the project that has one."
            )
        place = self.file.place("contract")
        declared = imported(self.contract_path, place)
        if not isinstance(declared, Contract):
            raise ContractUnusable(
                f"{place}: {self.contract_path} is a {type(declared).__name__}, not a Contract. "
                "Make it an ingestion.contract.Contract."
            )
        return declared

    def commands(self) -> typer.Typer | None:
        """The commands that the contract adds to `ingestion`; None if it adds none.

        Also None if there is no contract.

        Raises:
            ContractUnusable: as `contract`, or they cannot be imported.
        """
        if self.contract_path is None or not (path := self.contract().commands):
            return None
        place = f"{self.file.place('contract')} {self.contract_path}, commands"
        added = imported(path, place)
        if not isinstance(added, typer.Typer):
            raise ContractUnusable(f"{place}: {path} is a {type(added).__name__}, not a typer.Typer.")
        return added


def pipeline(project: Path | None = None) -> Pipeline:
    """Read a dbt project's settings file, once per project and process.

    Args:
        project: the project's folder (default: the one that this process works for).

    Raises:
        SettingsFileUnusable: the file cannot be read, or its contract is not an import path.
    """
    return _read((project or project_folder()).resolve())


def contract(project: Path | None = None) -> Contract:
    """The contract of a dbt project.

    Args:
        project: as `pipeline`.

    Raises:
        ContractUnusable: none is declared, it cannot be imported, or it is not a Contract.
    """
    return pipeline(project).contract()


def commands() -> typer.Typer | None:
    """The commands that this process's pipeline adds to `ingestion`.

    Raises:
        ContractUnusable: as `Pipeline.commands`.
    """
    return pipeline().commands()


def project_folder() -> Path:
    """The folder of the dbt project that this process works for."""
    if named := ProjectSettings.from_environment().folder:
        return named
    here = Path.cwd()
    unless_found = _CHECKOUT if _CHECKOUT.is_dir() else here  # an installed wheel has no checkout
    return next((folder for folder in (here, *here.parents) if (folder / PROJECT_FILE).is_file()), unless_found)


@cache
def _read(project: Path) -> Pipeline:
    file = SettingsFile.of(project)
    return Pipeline(file, project_name(project), file.checked(DeclaredContract).contract)


def imported(path: str, place: str) -> object:
    """Import what an import path names.

    Args:
        path: as `module:NAME`.
        place: where the path is written, for messages.

    Raises:
        ContractUnusable: it is not an import path, or what it names cannot be imported.
        ExtraMissing: the module needs an extra that is not installed.
    """
    try:
        module_name, attribute = parts_of_import_path(path)
    except ValueError as error:
        raise ContractUnusable(f"{place}: {error}.") from error
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module may raise anything while it is imported
        if extra := missing(error):
            raise extra from error
        raise ContractUnusable(
            f"{place}: the module {module_name} cannot be imported: {type(error).__name__}: {error}. "
            "Install it, add its folder to PYTHONPATH, or correct the line."
        ) from error
    if not hasattr(module, attribute):
        raise ContractUnusable(f"{place}: {attribute} does not exist in the module {module_name}. Correct the line.")
    return getattr(module, attribute)
