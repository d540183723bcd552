"""While a search runs: the line on standard error, Ctrl-C, and the quiet time of imports."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from solver.search import params


class Meter:
    """A line on standard error while the search takes longer than a second: elapsed, best cost, bound, gap."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.width = 0

    def show(self, progress: params.Progress) -> None:
        """Write over the line before."""
        if not self.enabled or progress.seconds < 1:
            return
        from solver.render import money

        words = [f"{progress.seconds:5.1f} s"]
        if progress.cost is not None:
            words.append(f"best {money.text(progress.cost)} EUR/h")
        if progress.bound:
            words.append(f"bound {money.text(progress.bound)}")
            if progress.cost is not None:
                words.append(f"gap {money.gap(max(0, progress.cost - progress.bound) / progress.bound)}")
        line = "  ".join(words)
        click.echo(f"\r{line:<{self.width}}", err=True, nl=False)
        self.width = len(line)

    def clear(self) -> None:
        """Remove the line."""
        if self.width:
            click.echo("\r" + " " * self.width + "\r", err=True, nl=False)
            self.width = 0


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Ctrl-C once sets the event, so that the search ends with the best plan so far; twice quits."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def loading() -> Iterator[None]:
    """Importing the optimiser takes part of a second; Ctrl-C in it is quiet."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.Abort from None
