"""The catalogue of the taxi pipeline's named faults, which `angiogram faults` plays.

The verdict must name each one's stage. A fault is planted in a copy of the dbt project and its seeds, in the messages
on their way, or in what the loader stored. `dbt_project/angiogram.yml` names `CATALOGUE`; angiogram.faults has what
plants and plays them.
"""

from angiogram.faults.fault import Fault
from taxi.faults import absorbed, marts, models, seeds, way

CATALOGUE: tuple[Fault, ...] = (*way.FAULTS, *models.FAULTS, *marts.FAULTS, *seeds.FAULTS, *absorbed.FAULTS)
"""All faults, in the order of the stages."""
