"""
From waiting pods to NodeClaims: batch, snapshot, plan, check, write. OVH is not spoken to here.

Claims that have no node yet are places like any other to the planner, so that a later batch fills them instead of
buying again; that holds after a restart too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from controller import metrics, world
from controller.kube import kinds
from controller.loops import batch, claims, lastplan, notices, placement, question
from solver import cluster, turns, warm
from solver import plan as plans
from solver.render import money
from solver.snapshot import pending

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
"""How soon pods that a plan has left out are planned for again, when nothing else happens."""


class Provisioner:
    """The batch loop."""

    def __init__(self, shared: world.World, questions: question.Questions, changed: Callable[[], None]) -> None:
        self.batcher = batch.Batcher(shared.settings.batch_idle, shared.settings.batch_max)
        self._world = shared
        self._questions = questions
        self._changed = changed
        self._retry_at: float | None = None
        self._warm: warm.Earlier | None = None

    def trigger(self) -> None:
        """Something has happened that may let waiting pods be placed."""
        self.batcher.trigger(time.monotonic())

    def tick(self) -> float:
        """Plan when the window closes; seconds until it is worth looking again."""
        now = time.monotonic()
        if not self._world.mirror.synced():
            return 0.2
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self.trigger()
        wait = self.batcher.wait(now)
        if wait is None:
            return 1.0 if self._retry_at is None else max(0.05, min(1.0, self._retry_at - now))
        if wait > 0:
            return wait
        self.batcher.take()
        try:
            with self._world.planning:
                self._batch()
        except Exception:
            # The pods still wait, and nothing may ever happen to them that would close another batch.
            self.trigger()
            raise
        return 0.05

    def _batch(self) -> None:
        shared = self._world
        of = self._questions.snapshot()
        waiting = pending.pending(of)
        if not waiting and not pending.reschedulable(of, int(shared.now())):
            metrics.UNSCHEDULABLE_PODS.labels("provisioner").set(0)
            return
        if not any(place.ready for place in shared.places.values()):
            self._retry_at = time.monotonic() + 2.0
            notices.unready(shared, (pod.key for pod in waiting))
            return
        log.info("found provisionable pod(s)", extra={"pods": len(waiting)})
        plan = self._questions.ask(of, "provisioner", earlier=self._warm)
        if plan is None:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return
        self.carry_out(plan, of)

    def carry_out(self, plan: plans.Plan, of: cluster.Cluster) -> None:
        """Write the claims, then tell pods and people."""
        shared = self._world
        if plan.create:
            log.info(
                "computed new nodeclaim(s) to fit pod(s)",
                extra={
                    "nodeclaims": len(plan.create),
                    "pods": sum(len(each.pods) for each in plan.create),
                    "hourlyEur": money.text(plan.cost.create),
                    "gap": plan.cost.gap,
                },
            )
        written = claims.write(shared, plan.create, plan, of)
        failed = len(written) < len(plan.create) and not shared.settings.dry_run
        known = {claim["metadata"]["name"] for claim in shared.mirror.all(kinds.NODE_CLAIM)}
        # Nothing is kept for pods of a later turn: they come when nodes are no longer held for those before them.
        placement.keep(shared, turns.first(plan), of, known | written)
        notices.planned(shared, plan, of)
        lastplan.publish(shared, plan, "provisioner")
        self._retry_at = time.monotonic() + RETRY_SECONDS if failed or plan.unschedulable else None
        self._warm = warm.of_plan(plan)
        self._changed()
