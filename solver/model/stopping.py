"""Ends a run of the solver soon after somebody wants it to stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from solver.model.cp_sat import cp_model


def never() -> bool:
    """Nobody wants it to stop."""
    return False


@contextlib.contextmanager
def watched(solver: cp_model.CpSolver, should_stop: Callable[[], bool]) -> Iterator[None]:
    """Stop the solver soon after `should_stop` says so."""
    if should_stop is never:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            if should_stop():
                solver.stop_search()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
