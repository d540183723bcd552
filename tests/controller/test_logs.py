"""Log lines: one JSON object each, or a line for people; what is set is told, and no secret."""

from __future__ import annotations

import json
import logging

from controller import logs, settings


def record(**extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "controller.loops.provision", "levelno": 20, "levelname": "INFO", "msg": "created nodeclaim"} | extra
    )
    made.created, made.msecs = 1767225600.25, 250.0
    return made


def test_a_line_is_an_object_with_upstreams_keys():
    """Level in capitals, time with milliseconds, the loop, and each field by its name."""
    assert json.loads(logs.JsonFormatter().format(record(NodeClaim="general-a", pods=3))) == {
        "level": "INFO",
        "time": "2026-01-01T00:00:00.250Z",
        "logger": "controller",
        "message": "created nodeclaim",
        "controller": "loops.provision",
        "NodeClaim": "general-a",
        "pods": 3,
    }


def test_a_line_for_people_has_time_level_message_and_fields():
    """Short enough to be read while it scrolls by."""
    line = logs.TextFormatter().format(record(NodeClaim="general-a"))

    assert line == "00:00:00.250  INFO     created nodeclaim  NodeClaim=general-a"


def test_an_error_keeps_its_line():
    """A traceback is a field, not lines of its own."""
    try:
        raise ValueError("on purpose")
    except ValueError as error:
        found = logs.JsonFormatter().format(record(exc_info=(type(error), error, error.__traceback__)))

    assert "\n" not in found
    assert "ValueError: on purpose" in json.loads(found)["error"]


def test_settings_hold_no_credentials():
    """What is printed at start names no key, secret or token; these come from the Secret alone."""
    names = set(settings.Settings().shown())

    assert not [name for name in names if any(word in name for word in ("key", "secret", "token", "password"))]
