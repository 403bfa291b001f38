"""The loader's log on standard error: lines of text, or of JSON for log collectors."""

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum


class LogFormat(StrEnum):
    """Format of the log lines."""

    TEXT = "text"
    JSON = "json"


class JsonLines(logging.Formatter):
    """Each log record as one JSON object a line.

    Its keys: at, level, logger, process, message, and the traceback if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up_logs(log_format: LogFormat) -> None:
    """Send the loader's warnings to standard error; workers inherit the setting."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(message)s")
    handler.setFormatter(JsonLines() if log_format is LogFormat.JSON else text)
    logging.basicConfig(handlers=[handler])
