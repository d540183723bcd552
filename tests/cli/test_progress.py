"""The line on standard error while a search runs."""

from __future__ import annotations

import pytest

from solver.cli import progress
from solver.search import params

REPORT = params.Progress(2.0, 306_900, 300_000)
LINE = "  2.0 s  best 0.3069 EUR/h  bound 0.3000  gap 2.30%"


class Clock:
    """An instant that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def meter(clock: Clock, *, enabled: bool = True, width: int = 80) -> progress.Meter:
    return progress.Meter(enabled=enabled, clock=clock, width=lambda: width)


def test_time_best_cost_bound_and_gap(capsys: pytest.CaptureFixture[str]) -> None:
    """Of what is known: a first plan may have no bound yet."""
    line = meter(Clock())
    line.show(params.Progress(1.5, 306_900, None))
    line.show(REPORT)

    assert capsys.readouterr() == ("", f"\r  1.5 s  best 0.3069 EUR/h\r{LINE}")


def test_time_goes_on_between_two_reports(capsys: pytest.CaptureFixture[str]) -> None:
    """A step of the search may take many seconds."""
    clock = Clock()
    line = meter(clock)
    line.show(REPORT)
    clock.now += 3
    line.tick()

    assert capsys.readouterr().err.split("\r")[-1] == LINE.replace("2.0", "5.0", 1)


def test_nothing_is_said_in_the_first_second(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor before there is a plan, nor where nobody looks."""
    clock = Clock()
    line = meter(clock)
    line.tick()
    line.show(params.Progress(0.4, 306_900, 300_000))
    meter(clock, enabled=False).show(REPORT)

    assert capsys.readouterr().err == ""
    clock.now += 0.7
    line.tick()
    assert capsys.readouterr().err.startswith("\r  1.1 s  best 0.3069")


def test_a_narrow_terminal_has_one_row_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A line that wraps could not be written over."""
    meter(Clock(), width=20).show(REPORT)

    assert capsys.readouterr().err == "\r" + LINE[:19]


def test_the_line_goes_with_the_search(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is printed where it stood."""
    monkeypatch.setattr(progress, "EVERY", 3600.0)
    line = meter(Clock())
    with line.running():
        line.show(REPORT)
        longer = capsys.readouterr().err
    line.tick()

    assert longer == f"\r{LINE}"
    assert capsys.readouterr().err == "\r" + " " * len(LINE) + "\r"
