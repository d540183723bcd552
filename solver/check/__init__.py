"""The independent checker of plans."""

from solver.check.oracle import check

__all__ = ["check"]
