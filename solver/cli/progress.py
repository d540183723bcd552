"""While a search runs: the line on standard error, Ctrl-C, and the quiet time of imports."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from solver.search import params

EVERY = 0.5
"""Seconds after which the line is written again."""


class Meter:
    """
    A line on standard error while the search takes longer than a second: elapsed, best cost, bound, gap.

    It is written at each report and, so that nobody takes a long step for the end, twice a second in between.

    Parameters
    ----------
    enabled: whether to write anything.
    clock: seconds that only go forward.
    width: columns of the terminal; the line is cut to fit, since `\\r` goes back to the start of the last row only.
    """

    def __init__(
        self,
        *,
        enabled: bool,
        clock: Callable[[], float] = time.monotonic,
        width: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._enabled = enabled
        self._clock = clock
        self._columns = width
        self._latest: tuple[params.Progress, float] | None = None
        self._written = 0
        self._lock = threading.Lock()

    def show(self, progress: params.Progress) -> None:
        """Take note of a report, and write it over the line before."""
        if self._enabled:
            self._latest = progress, self._clock()
            self.tick()

    def tick(self) -> None:
        """Write the latest report with the time that it is now."""
        if self._latest is None:
            return
        progress, noted = self._latest
        seconds = progress.seconds + self._clock() - noted
        if seconds >= 1:
            line = _line(seconds, progress)[: max(1, self._columns() - 1)]
            with self._lock:
                click.echo(f"\r{line:<{self._written}}", err=True, nl=False)
                self._written = len(line)

    def clear(self) -> None:
        """Remove the line."""
        self._latest = None
        with self._lock:
            if self._written:
                click.echo("\r" + " " * self._written + "\r", err=True, nl=False)
                self._written = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write the line as long as something is asked, and remove it in the end."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(EVERY):
                self.tick()

        writer = threading.Thread(target=keep, name="progress", daemon=True)
        if self._enabled:
            writer.start()
        try:
            yield
        finally:
            over.set()
            if self._enabled:
                writer.join()
            self.clear()


def _line(seconds: float, progress: params.Progress) -> str:
    from solver.render import money

    words = [f"{seconds:5.1f} s"]
    if progress.cost is not None:
        words.append(f"best {money.text(progress.cost)} EUR/h")
    if progress.bound:
        words.append(f"bound {money.text(progress.bound)}")
        if progress.cost is not None:
            words.append(f"gap {money.gap(max(0, progress.cost - progress.bound) / progress.bound)}")
    return "  ".join(words)


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
