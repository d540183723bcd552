"""
Gauges that follow from the cluster, worked out from the mirror whenever somebody scrapes; nothing is kept in between.

`metrics` declares them; upstream's have upstream's names, labels and label values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import core, registry

from controller import world
from controller.observe import conditions, nodes, offers, pods, pools


class Observer(registry.Collector):
    """A collector over the mirror; only the replica that leads tells, so that sums over replicas count nothing twice."""

    def __init__(self, shared: world.World, leads: Callable[[], bool]) -> None:
        self._world = shared
        self._leads = leads

    def describe(self) -> Iterable[core.Metric]:
        """Nothing is promised before the first scrape."""
        return ()

    def collect(self) -> Iterator[core.Metric]:
        """All families, none before the cluster is known."""
        if not self._leads() or not self._world.mirror.synced():
            return
        yield from pools.families(self._world)
        yield from offers.families(self._world)
        if self._world.settings.cluster_state_observability:
            for module in (pods, nodes, conditions):
                yield from module.families(self._world)
