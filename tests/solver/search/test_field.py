"""What a field says of its classes and kinds."""

from solver.search import field as fields
from tests.solver import tiny
from tests.solver.search import drawn


def test_places_for_pods_that_no_node_runs_out_of_are_not_scarce():
    """A node has 110 of them whatever its size; next to the memory of the largest one they look few."""
    large, tight = (16_000, 512, 110), (2_000, 16, 110)
    problem = tiny.problem([tiny.pods("c", 30, (300, 4, 1))], [tiny.offer(80, large), tiny.offer(10, tight)])
    field = drawn.field_of(problem)

    assert fields.scarcest(field, problem.counts).tolist() == [0, 1]
