"""
CP-SAT's Python interface, loaded without pandas; to be imported from here.

It imports pandas for functions on series, which nobody here calls: three quarters of the time that its import takes, and
much of its memory. So a stand-in with the names that it mentions takes the place of pandas while it is loaded, unless
pandas is there already. Whoever imports pandas afterwards gets pandas.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator

MENTIONED = ("DataFrame", "Index", "Series")


@contextlib.contextmanager
def _without_pandas() -> Iterator[None]:
    if "pandas" in sys.modules:
        yield
        return
    stand_in = types.ModuleType("pandas")
    for name in MENTIONED:
        setattr(stand_in, name, type(name, (), {}))
    sys.modules["pandas"] = stand_in
    try:
        yield
    finally:
        del sys.modules["pandas"]


with _without_pandas():
    from ortools.sat.python import cp_model

__all__ = ["cp_model"]
