"""The independent calculation: what every dbt model must hold, straight from the rules, without SQL and without dbt.

    from angiogram.dye import dye_messages, read_dye
    from angiogram.expectation import expected_tables, read_reference, write_expected

    tables = expected_tables(dye_messages(read_dye()), read_reference(folder), last_day)
    write_expected(folder, tables)

`python -m angiogram.expectation` writes the expected seeds of the dye; with --check it only compares them.
"""

from angiogram.expectation.records import Message
from angiogram.expectation.reference import Reference, read_reference
from angiogram.expectation.seeds import CARRIAGE_RETURN, differing_files, seed_value, write_expected
from angiogram.expectation.tables import COLUMNS, Row, Value, expected_tables

__all__ = [
    "CARRIAGE_RETURN",
    "COLUMNS",
    "Message",
    "Reference",
    "Row",
    "Value",
    "differing_files",
    "expected_tables",
    "read_reference",
    "seed_value",
    "write_expected",
]
