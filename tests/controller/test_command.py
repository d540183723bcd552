"""The command `controller`: flags go before variables, and what cannot be right ends with a sentence and code 2."""

from __future__ import annotations

from typing import Any

import pytest
from click import testing

from controller import app, command, settings
from controller.kube import api as apis


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[settings.Settings]:
    """The settings that a run would have, without the run."""
    found: list[settings.Settings] = []

    class Nothing:
        lost_lead = False
        stop = None

        def __init__(self, api: object, given: settings.Settings) -> None:
            found.append(given)

        def run(self) -> None:
            """Ends at once."""

    monkeypatch.setattr(app, "App", Nothing)
    monkeypatch.setattr(apis, "connection", lambda kubeconfig, context: None)
    monkeypatch.setattr(apis, "Client", lambda configuration, dry_run: None)
    monkeypatch.setattr(command, "_stop_on_signals", lambda stop: None)
    monkeypatch.setattr("controller.logs.set_up", lambda level, form: None)
    return found


def run(*words: str, **environment: str) -> Any:
    return testing.CliRunner().invoke(command.controller, list(words), env=environment)


def test_a_flag_goes_before_its_variable(started):
    """What is written on the command line is meant."""
    answer = run("--batch-idle-duration", "2s", BATCH_IDLE_DURATION="5s", BATCH_MAX_DURATION="1m30s")

    assert answer.exit_code == 0, answer.output
    assert (started[0].batch_idle, started[0].batch_max) == (2.0, 90.0)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_switches_take_the_words_of_the_chart(started, text, value):
    """Helm renders booleans as words."""
    answer = run(DRY_RUN=text, DISABLE_LEADER_ELECTION=text, FEATURE_GATES="StaticCapacity=" + text)

    assert answer.exit_code == 0, answer.output
    assert started[0].dry_run is value
    assert started[0].leader_election is not value
    assert started[0].feature_gates == {"StaticCapacity": value}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--placement", "maybe"], "'maybe' is not one of 'reserve', 'nominate', 'none'"),
        (["--batch-idle-duration", "soon"], "soon"),
        (["--batch-idle-duration", "-1s"], "-1s"),
        (["--solve-workers", "0"], "0 is not in the range"),
        (["--feature-gates", "StaticCapacity=yes"], "is not NAME=true or NAME=false"),
        (["--ovh-request-rate", "0"], "0"),
    ],
)
def test_what_cannot_be_right_is_refused(started, words, text):
    """Before anything is started."""
    answer = run(*words)

    assert answer.exit_code == 2
    assert text in answer.output
    assert not started
