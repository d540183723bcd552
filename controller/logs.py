"""Structured logs: one JSON object a line, or a line for people. Extra fields of a record become keys."""

from __future__ import annotations

import datetime
import json
import logging
import sys
from typing import Any

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that the caller added."""
    return {key: value for key, value in vars(record).items() if key not in _OWN}


def _time(record: logging.LogRecord) -> str:
    when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(record.msecs):03d}Z"


class JsonFormatter(logging.Formatter):
    """One object: level, time, logger, message, then the extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        found: dict[str, Any] = {
            "level": record.levelname,
            "time": _time(record),
            "logger": "controller",
            "message": record.getMessage(),
            "controller": record.name.removeprefix("controller."),
            **extras(record),
        }
        if record.exc_info:
            found["error"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for people: time, level, message, key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        words = [_time(record)[11:23], f"{record.levelname:<7}", record.getMessage()]
        words += [f"{key}={value}" for key, value in extras(record).items()]
        text = "  ".join(words)
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up(level: str, form: str) -> None:
    """Send everything to standard output in this form, from this level on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    for noisy in ("urllib3", "requests", "oauthlib", "kubernetes"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, _LEVELS[level]))
