"""What the checker says, in the words of tests."""

from typing import Any

from solver import check, cluster, options, plan
from tests.solver import builders


def broken(of: cluster.Cluster, answer: plan.Plan, **asked: Any) -> set[str]:
    """Names of the rules that a plan breaks."""
    return {each.rule for each in verdict(of, answer, **asked).violations}


def verdict(of: cluster.Cluster, answer: plan.Plan, **asked: Any) -> plan.Verification:
    """The whole verdict."""
    return check.check(of, builders.SHELF, answer, options.Options(**asked))
