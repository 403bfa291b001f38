"""What a row of the calculation holds."""

from datetime import date, datetime
from decimal import Decimal

Value = str | int | bool | Decimal | datetime | date | None
Row = dict[str, Value]
