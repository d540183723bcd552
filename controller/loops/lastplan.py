"""The last plan as a ConfigMap of bounded size, for `kubectl karpenter-ovhcloud plan`."""

from __future__ import annotations

import json
import logging
from typing import Any

from controller import world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from solver import plan as plans
from solver.render import document

log = logging.getLogger(__name__)

NAME = "karpenter-ovhcloud-last-plan"
MOST_BYTES = 512 * 1024
"""Half of what the API server stores in one object."""


def shortened(plan: dict[str, Any], most: int = MOST_BYTES) -> str:
    """The plan as compact JSON of at most so many bytes; lists that are too long are cut, and `shortened` says so."""
    text = json.dumps(plan, separators=(",", ":"), ensure_ascii=False)
    for count in (2000, 500, 100, 10, 0):
        if len(text.encode()) <= most:
            return text
        cut = {**plan, "placements": {}, "shortened": True}
        for key in ("create", "delete", "keep", "unschedulable"):
            cut[key] = plan[key][:count]
        cut["create"] = [{**node, "pods": node["pods"][:count]} for node in cut["create"]]
        text = json.dumps(cut, separators=(",", ":"), ensure_ascii=False)
    return text


def publish(shared: world.World, plan: plans.Plan) -> None:
    """Write the plan down; that it cannot be written is no reason not to carry it out."""
    namespace = shared.settings.namespace
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": namespace},
        "data": {"plan.json": shortened(document.to_document(plan)), "time": conditions.stamp(shared.now())},
    }
    try:
        shared.api.patch(kinds.CONFIG_MAP, NAME, body, namespace=namespace, how=apis.APPLY)
    except (apis.ApiError, apis.UnreachableError, apis.DryRunError) as error:
        log.debug("last plan not written", extra={"error": str(error)})
