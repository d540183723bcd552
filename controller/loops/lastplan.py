"""The last plan where people find it: a ConfigMap of bounded size, and the page /debug/plan."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from controller import world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from solver import plan as plans
from solver.render import document, people

log = logging.getLogger(__name__)

NAME = "karpenter-ovhcloud-last-plan"
MOST_BYTES = 512 * 1024
"""Half of what the API server stores in one object."""
MOST_LINES = 200

DOCUMENT, TEXT, TIME, LOOP = "plan.json", "plan.txt", "time", "controller"


def shortened(plan: dict[str, Any], most: int = MOST_BYTES) -> str:
    """The plan as compact JSON of at most so many bytes; lists that are too long are cut, and `shortened` says so."""
    text = json.dumps(plan, separators=(",", ":"), ensure_ascii=False)
    for count in (2000, 500, 100, 10, 0):
        if len(text.encode()) <= most:
            return text
        cut = {**plan, "placements": {}, "shortened": True}
        for key in ("create", "delete", "keep", "steps", "unschedulable"):
            cut[key] = plan[key][:count]
        for key in ("create", "delete"):
            cut[key] = [{**node, "pods": node["pods"][:count]} for node in cut[key]]
        cut["steps"] = [{**step, "move": {}} for step in cut["steps"]]
        text = json.dumps(cut, separators=(",", ":"), ensure_ascii=False)
    return text


def content(plan: plans.Plan, now: float, loop: str) -> dict[str, str]:
    """The plan as its document and as `solve` shows it, with the time and the loop that made it."""
    lines = people.show(plan).splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… and {len(lines) - MOST_LINES} more lines (-o json has all)"]
    return {
        DOCUMENT: shortened(document.to_document(plan)),
        TEXT: "\n".join(lines) + "\n",
        TIME: conditions.stamp(now),
        LOOP: loop,
    }


def heading(data: Mapping[str, str], age: str = "") -> str:
    """When the plan was made and by whom."""
    return f"planned at {data[TIME]}{f' ({age} ago)' if age else ''} by the {data.get(LOOP, 'controller')}\n\n"


def publish(shared: world.World, plan: plans.Plan, loop: str) -> None:
    """Write the plan of a loop down; that it cannot be written is no reason not to carry it out."""
    shared.last_plan = content(plan, shared.now(), loop)
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": shared.settings.namespace},
        "data": shared.last_plan,
    }
    try:
        shared.api.patch(kinds.CONFIG_MAP, NAME, body, namespace=shared.settings.namespace, how=apis.APPLY)
    except apis.DryRunError:
        log.info("dry run: the plan is not carried out", extra={"plan": people.verdict(plan)})
    except (apis.ApiError, apis.UnreachableError) as error:
        log.warning("last plan not written", extra={"error": str(error)})
