"""The independent calculation: what every dbt model must hold, without SQL or dbt.

It follows the rules directly. Input: the messages of the dye (test records with known results) and the reference data.
Output: the rows of every model. General code reaches it as `CALCULATION`, which `dbt_project/angiogram.yml` names.

`python -m taxi.calculation` writes the expected seeds of the dye; with --check it only compares them.
"""

from taxi.calculation.reference import Reference, read_reference
from taxi.calculation.tables import COLUMNS, expected_tables
from taxi.calculation.taxi_calculation import CALCULATION, TaxiCalculation, last_day

__all__ = [
    "CALCULATION",
    "COLUMNS",
    "Reference",
    "TaxiCalculation",
    "expected_tables",
    "last_day",
    "read_reference",
]
