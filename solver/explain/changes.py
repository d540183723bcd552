"""
Single changes that might give a pod a place: each a sentence and an edit of the question.

They are only proposals: `relax` solves the edited question and keeps those that work.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catalog import catalogue, flavor, labels
from crds import quantity, validation
from solver import build as builds
from solver import cluster, options

Question = tuple[cluster.Cluster, options.Options]

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
ZONE = "topology.kubernetes.io/zone"
OFFERED = (ZONE, "topology.kubernetes.io/region", "karpenter.sh/capacity-type")
"""Labels that the offer decides, not the flavor."""
FLAVORS_TRIED = 4
"""How many flavors beyond a NodePool's requirements are proposed, cheapest first."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A sentence, and the question with the change made."""

    sentence: str
    edit: Callable[[], Question]


def of_class(build: builds.Build, index: int, known: catalogue.Catalogue) -> Iterator[Change]:
    """All changes worth trying for the pods of one class."""
    asked = build.context.options
    of = build.context.objects
    spec = build.spec(index)
    for name in build.templates:
        yield from _limits(build, index, name)
    yield from _quota(build, index)
    for name in build.templates:
        yield from _tolerations(build, index, name)
        yield from _zones(build, name)
    yield from _pod_rules(of, asked, spec)
    for name in build.templates:
        yield from _flavors(build, index, name, known)


def _with_pool(of: cluster.Cluster, name: str, raw: dict[str, Any]) -> cluster.Cluster:
    pool = of.node_pools[name]
    edited = dataclasses.replace(pool, manifest=validation.parse_nodepool(raw, admitted=True))
    return dataclasses.replace(of, node_pools={**of.node_pools, name: edited})


def _raw(of: cluster.Cluster, name: str) -> dict[str, Any]:
    raw: dict[str, Any] = of.node_pools[name].manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return raw


def _with_spec(of: cluster.Cluster, old: cluster.PodSpec, new: cluster.PodSpec) -> cluster.Cluster:
    pods = {key: dataclasses.replace(pod, spec=new) if pod.spec is old else pod for key, pod in of.pods.items()}
    return dataclasses.replace(of, pods=pods)


def _flavors(build: builds.Build, index: int, name: str, known: catalogue.Catalogue) -> Iterator[Change]:
    """Flavors beyond the NodePool's requirements that could hold the pod."""
    of, asked = build.context.objects, build.context.options
    template = build.templates[name]
    there = {offer.flavor for offer in build.problem.offers if offer.node_pool == name}
    need = dict(build.spec(index).requests)
    found = [
        one.flavor
        for one in known.offerings(template.region, monthly=template.monthly)
        if one.hourly_micro_eur is not None
        and one.flavor.name not in there
        and all(one.flavor.allocatable.get(r, 0) >= amount for r, amount in need.items() if amount)
    ]
    cheapest = sorted(dict.fromkeys(found), key=lambda f: (f.hourly_micro_eur or 0, f.name))
    for each in cheapest[:FLAVORS_TRIED]:
        yield Change(
            f"allow flavor {each.name} in NodePool {name}",
            lambda each=each: (_with_pool(of, name, _allowing(_raw(of, name), each)), asked),  # type: ignore[misc]
        )


def _allowing(raw: dict[str, Any], wanted: flavor.Flavor) -> dict[str, Any]:
    """The NodePool with each requirement on a flavor's label widened so that this flavor passes."""
    its = {**labels.flavor_labels(wanted), INSTANCE_TYPE: wanted.name}
    requirements = []
    for requirement in raw["spec"]["template"]["spec"].get("requirements", []):
        key, operator = labels.translate(requirement["key"]), requirement["operator"]
        values = list(requirement.get("values", []))
        if key not in its:
            if (
                key not in labels.WELL_KNOWN
                or operator in ("NotIn", "DoesNotExist")
                or key in (ZONE, "topology.kubernetes.io/region", "karpenter.sh/capacity-type")
            ):
                requirements.append(requirement)
            continue
        value = its[key]
        if operator == "In" and value not in values:
            requirement = {**requirement, "values": [*values, value]}
        elif operator == "NotIn" and value in values:
            requirement = {**requirement, "values": [v for v in values if v != value]}
        elif operator in ("Gt", "Lt", "Gte", "Lte", "DoesNotExist"):
            continue
        requirements.append(requirement)
    raw["spec"]["template"]["spec"]["requirements"] = requirements
    return raw


def _zones(build: builds.Build, name: str) -> Iterator[Change]:
    """Zones of the region that the NodePool leaves out."""
    of, asked = build.context.objects, build.context.options
    there = {offer.zone for offer in build.problem.offers if offer.node_pool == name}
    for zone in build.templates[name].region.zones:
        if zone in there or zone in asked.without_zones:
            continue

        def edit(zone: str = zone) -> Question:
            raw = _raw(of, name)
            for requirement in raw["spec"]["template"]["spec"].get("requirements", []):
                if labels.translate(requirement["key"]) == ZONE and requirement["operator"] == "In":
                    requirement["values"] = [*requirement["values"], zone]
                elif labels.translate(requirement["key"]) == ZONE and requirement["operator"] == "NotIn":
                    requirement["values"] = [v for v in requirement["values"] if v != zone]
            return _with_pool(of, name, raw), asked

        yield Change(f"allow zone {zone} in NodePool {name}", edit)


def _limits(build: builds.Build, index: int, name: str) -> Iterator[Change]:
    """A limit raised by what the cheapest fitting nodes for all pods of the class need."""
    of, asked, problem = build.context.objects, build.context.options, build.problem
    caps = [cap for cap in problem.caps if cap.node_pool == name]
    fitting = [o for o, offer in enumerate(problem.offers) if offer.node_pool == name and _holds(build, index, o)]
    if not caps or not fitting:
        return
    offer = min(fitting, key=lambda o: problem.offers[o].price)
    pods = len(problem.classes[index].pods)
    raised = {cap.resource: int(cap.per_offer[offer]) * pods for cap in caps}
    limits = {resource: build.templates[name].limits[resource] + more for resource, more in raised.items()}

    def edit() -> Question:
        raw = _raw(of, name)
        raw["spec"]["limits"] = {
            **raw["spec"].get("limits", {}),
            **{resource: quantity.format_units(resource, amount) for resource, amount in limits.items()},
        }
        return _with_pool(of, name, raw), asked

    words = ", ".join(f"{resource} to {quantity.format_units(resource, amount)}" for resource, amount in limits.items())
    yield Change(f"raise the limits of NodePool {name}: {words}", edit)


def _holds(build: builds.Build, index: int, offer: int) -> bool:
    why = build.explain_offer(index, offer)
    return why is None or why[0] in ("limits", "ovh")


def _tolerations(build: builds.Build, index: int, name: str) -> Iterator[Change]:
    """A toleration for each taint of the NodePool that the pod does not tolerate."""
    of, asked, spec = build.context.objects, build.context.options, build.spec(index)
    taints = [t for t in build.templates[name].taints if t.effect != "PreferNoSchedule"]
    if not taints:
        return
    more = tuple(cluster.Toleration(t.key, "Equal" if t.value else "Exists", t.value, t.effect) for t in taints)
    if all(one in spec.tolerations for one in more):
        return
    words = ", ".join(f"{t.key}={t.value}:{t.effect}" if t.value else f"{t.key}:{t.effect}" for t in taints)
    new = dataclasses.replace(spec, tolerations=(*spec.tolerations, *more))
    yield Change(f"tolerate {words} (NodePool {name})", lambda: (_with_spec(of, spec, new), asked))


def _pod_rules(of: cluster.Cluster, asked: options.Options, spec: cluster.PodSpec) -> Iterator[Change]:
    """Each rule of the pod's own, softened or left out."""

    def change(sentence: str, **fields: Any) -> Change:
        new = dataclasses.replace(spec, **fields)
        return Change(sentence, lambda: (_with_spec(of, spec, new), asked))

    for i, one in enumerate(spec.spread):
        if one.hard:
            loosened = dataclasses.replace(one, hard=False)
            yield change(
                f"make the topology spread over {one.topology_key} soft (ScheduleAnyway)",
                spread=(*spec.spread[:i], loosened, *spec.spread[i + 1 :]),
            )
    for i, term in enumerate(spec.affinity):
        yield change(
            f"leave out the pod affinity over {term.topology_key}", affinity=spec.affinity[:i] + spec.affinity[i + 1 :]
        )
    for i, term in enumerate(spec.anti_affinity):
        yield change(
            f"leave out the pod anti-affinity over {term.topology_key}",
            anti_affinity=spec.anti_affinity[:i] + spec.anti_affinity[i + 1 :],
        )
    for key, value in spec.node_selector:
        rest = tuple(pair for pair in spec.node_selector if pair != (key, value))
        yield change(f"leave out the node selector {key}={value}", node_selector=rest)
    if spec.node_terms is not None:
        yield change("leave out the required node affinity", node_terms=None)
    if spec.host_ports:
        yield change("leave out the host ports", host_ports=())


def _quota(build: builds.Build, index: int) -> Iterator[Change]:
    """The project quota raised by what the cheapest fitting nodes for all pods of the class need."""
    of, asked, problem = build.context.objects, build.context.options, build.problem
    fitting = [o for o in range(len(problem.offers)) if _holds(build, index, o)]
    if not asked.quota or not fitting:
        return
    offer = min(fitting, key=lambda o: problem.offers[o].price)
    chosen = build.context.offer_flavors[offer]
    pods = len(problem.classes[index].pods)
    of_node: Mapping[str, int] = {"vcpus": chosen.vcpus, "memory": chosen.memory_gib << 30, "instances": 1}
    quota = {key: room + of_node[key] * pods for key, room in asked.quota.items()}
    words = ", ".join(
        f"{key}={quantity.format_units(key, amount) if key == 'memory' else amount}" for key, amount in quota.items()
    )
    yield Change(f"raise the quota that is left to {words}", lambda: (of, dataclasses.replace(asked, quota=quota)))
