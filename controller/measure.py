"""What metrics say about a plan."""

from __future__ import annotations

from controller import metrics
from solver import plan as plans


def plan(made: plans.Plan, controller: str, seconds: float) -> None:
    """Count a plan that a loop (`controller`) has made in so many seconds."""
    metrics.SCHEDULING_SECONDS.labels(controller).observe(seconds)
    metrics.PLANS.labels(made.status).inc()
    metrics.UNSCHEDULABLE_PODS.labels(controller).set(len(made.unschedulable))
    if made.cost.lower_bound is not None:
        metrics.LOWER_BOUND.set(made.cost.lower_bound / 1e6)
    if made.cost.gap is not None:
        metrics.GAP.set(made.cost.gap)
    if made.cost.optimum is not None:
        metrics.REGRET.set(max(0, made.cost.after - made.cost.optimum) / 1e6)
    for phase in made.solve.phases:
        metrics.SOLVE_SECONDS.labels(phase.name).observe(phase.seconds)
