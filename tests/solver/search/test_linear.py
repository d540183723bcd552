"""Linear programs as the search writes them."""

import numpy as np

from solver.search import linear


def test_rows_without_coefficients():
    """Coordinates that nothing was found for come as an empty list, which NumPy makes one of floats."""
    program = linear.Program(cost=np.array([2.0, 3.0]), low=np.zeros(2), high=np.full(2, 9.0))
    rows = program.add_rows(np.array([4.0]), np.array([np.inf]))
    program.add_entries(rows, np.arange(2), np.ones(2))
    program.add_entries(np.array([]), np.array([]), np.array([]))

    answer = linear.solve(program)

    assert answer is not None
    assert answer.objective == 8
