"""Status conditions of the objects that people watch, as operatorpkg exports them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import core

from controller import metrics, names, world
from controller.kube import conditions, kinds

KINDS = (
    (kinds.NODE_POOL, metrics.NODEPOOL_CONDITIONS),
    (kinds.NODE_CLAIM, metrics.NODECLAIM_CONDITIONS),
    (kinds.NODE_CLASS, metrics.NODECLASS_CONDITIONS),
    (kinds.NODE, metrics.NODE_CONDITIONS),
)


def families(shared: world.World) -> Iterator[core.Metric]:
    """A count and an age for each condition of each object."""
    now = shared.now()
    for kind, (counted, aged) in KINDS:
        count, age = counted.family(), aged.family()
        for item in shared.mirror.all(kind):
            more = [world.label(item, names.NODEPOOL_LABEL)] if "karpenter_sh_nodepool" in counted.labels else []
            for each in conditions.of(item):
                labels = ["", item["metadata"]["name"], each["type"], each["status"], str(each.get("reason") or "")]
                count.add_metric([*labels, *more], 1)
                since = conditions.seconds(each.get("lastTransitionTime"))
                if since is not None:
                    age.add_metric([*labels, *more], max(0.0, now - since))
        yield count
        yield age
