"""
Single changes that might give a pod a place: each a sentence and an edit of the question.

They are only proposals: `relax` solves the edited question and keeps those that work.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from catalog import allocatable, catalogue, flavor, labels
from crds import quantity, validation
from solver import build as builds
from solver import cluster, options
from solver import plan as plans
from solver.rules import node_affinity

Question = tuple[cluster.Cluster, options.Options]
Edit = Callable[[cluster.PodSpec], cluster.PodSpec]

INSTANCE_TYPE = labels.INSTANCE_TYPE
ZONE = labels.ZONE
NODES = "nodes"
FLAVORS_TRIED = 6
"""How many flavors beyond a NodePool's requirements are proposed, cheapest first."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """
    A sentence, and the question with the change made.

    `fitted` is there when the edit takes a limit away: from the nodes that are then bought it makes the change that
    raises the limit by just as much. `own` changes are made to the pods of one class; others are the same whichever class
    they are proposed for. Of those that allow a `flavor` in one `node_pool` only the cheapest is of interest.
    """

    sentence: str
    edit: Callable[[], Question]
    fitted: Callable[[Iterable[plans.NewNode]], Change] | None = None
    own: bool = False
    node_pool: str = ""
    flavor: str = ""


def of_class(build: builds.Build, index: int, known: catalogue.Catalogue) -> Iterator[Change]:
    """All changes worth trying for the pods of one class."""
    for name in build.templates:
        yield from _limits(build, name, known)
    yield from _quota(build, known)
    yield from _tolerations(build, index)
    for name in build.templates:
        yield from _zones(build, name)
    yield from _pod_rules(build, index)
    for name in build.templates:
        yield from _flavors(build, index, name, known)
    for name in build.templates:
        yield from _min_values(build, name)


def _with_pool(of: cluster.Cluster, name: str, raw: dict[str, Any]) -> cluster.Cluster:
    pool = of.node_pools[name]
    edited = dataclasses.replace(pool, manifest=validation.parse_nodepool(raw, admitted=True))
    return dataclasses.replace(of, node_pools={**of.node_pools, name: edited})


def _raw(of: cluster.Cluster, name: str) -> dict[str, Any]:
    raw: dict[str, Any] = of.node_pools[name].manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return raw


def _requirements(raw: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = raw["spec"]["template"]["spec"].get("requirements", [])
    return found


def _with_pods(of: cluster.Cluster, keys: Collection[str], edit: Edit) -> cluster.Cluster:
    """The cluster with other specs for these pods, and for all that wait and share a spec with one of them."""
    specs = {of.pods[key].spec for key in keys}
    edited = {spec: edit(spec) for spec in specs}
    pods = {
        key: dataclasses.replace(pod, spec=edited[pod.spec])
        if key in keys or (not pod.node and pod.spec in specs)
        else pod
        for key, pod in of.pods.items()
    }
    return dataclasses.replace(of, pods=pods)


def _flavors(build: builds.Build, index: int, name: str, known: catalogue.Catalogue) -> Iterator[Change]:
    """Flavors beyond the NodePool's requirements that could hold the pod and have the labels that it asks for."""
    template, spec = build.templates[name], build.spec(index)
    there = _flavors_of(build, name)
    if len(there) + 1 < _choice_of_flavors(_raw(build.context.objects, name)):
        return
    found = [
        one.flavor
        for one in known.offerings(template.region, monthly=template.monthly)
        if one.hourly_micro_eur is not None
        and one.flavor.name not in there
        and all(one.flavor.allocatable.get(r, 0) >= amount for r, amount in spec.requests if amount)
        and _suits(spec, one.flavor)
    ]
    cheapest = sorted(dict.fromkeys(found), key=lambda f: (f.hourly_micro_eur or 0, f.name))
    for each in cheapest[:FLAVORS_TRIED]:
        yield Change(
            f"allow flavor {each.name} in NodePool {name}",
            functools.partial(with_flavors, build, name, [each.name]),
            node_pool=name,
            flavor=each.name,
        )


def with_flavors(build: builds.Build, name: str, more: Iterable[str]) -> Question:
    """The question in which a NodePool may buy these flavors, too."""
    of, asked = build.context.objects, build.context.options
    return _with_pool(of, name, _allowing(_raw(of, name), [*_flavors_of(build, name), *more])), asked


def _flavors_of(build: builds.Build, name: str) -> list[str]:
    """The flavors that a NodePool may buy."""
    return sorted({offer.flavor for offer in build.problem.offers if offer.node_pool == name})


def _decided_by_flavor(key: str) -> bool:
    return key in labels.WELL_KNOWN and labels.WELL_KNOWN[key].decided_by == "flavor"


def _suits(spec: cluster.PodSpec, of: flavor.Flavor) -> bool:
    """Whether a flavor has the labels that a pod asks of flavors."""
    its = labels.flavor_labels(of)
    return any(
        all(each.matches(its.get(key)) for key, each in asked.items() if _decided_by_flavor(key))
        for asked in node_affinity.alternatives(spec)
    )


def _allowing(raw: dict[str, Any], flavors: list[str]) -> dict[str, Any]:
    """The NodePool with these flavors and no others, whatever it asked of flavors before; minValues stay."""
    kept = []
    for requirement in _requirements(raw):
        key = labels.translate(requirement["key"])
        if not _decided_by_flavor(key):
            kept.append(requirement)
        elif requirement.get("minValues") and key != INSTANCE_TYPE:
            kept.append({"key": key, "operator": "Exists", "minValues": requirement["minValues"]})
    minimum = _choice_of_flavors(raw)
    exact = {"key": INSTANCE_TYPE, "operator": "In", "values": flavors} | ({"minValues": minimum} if minimum else {})
    raw["spec"]["template"]["spec"]["requirements"] = [*kept, exact]
    return raw


def _choice_of_flavors(raw: dict[str, Any]) -> int:
    """How many flavors the minValues of a NodePool ask for."""
    return max((r.get("minValues") or 0 for r in _requirements(raw) if r["key"] == INSTANCE_TYPE), default=0)


def _zones(build: builds.Build, name: str) -> Iterator[Change]:
    """Zones of the region that the NodePool leaves out."""
    of, asked = build.context.objects, build.context.options
    there = {offer.zone for offer in build.problem.offers if offer.node_pool == name}
    for zone in build.templates[name].region.zones:
        if zone in there or zone in asked.without_zones:
            continue

        def edit(zone: str = zone) -> Question:
            raw = _raw(of, name)
            for requirement in _requirements(raw):
                if labels.translate(requirement["key"]) == ZONE and requirement["operator"] == "In":
                    requirement["values"] = [*requirement["values"], zone]
                elif labels.translate(requirement["key"]) == ZONE and requirement["operator"] == "NotIn":
                    requirement["values"] = [v for v in requirement["values"] if v != zone]
            return _with_pool(of, name, raw), asked

        yield Change(f"allow zone {zone} in NodePool {name}", edit)


def _limits(build: builds.Build, name: str, known: catalogue.Catalogue) -> Iterator[Change]:
    """The limits of a NodePool raised to what is used when there are none."""
    of, asked, template = build.context.objects, build.context.options, build.templates[name]
    if not template.limits:
        return

    def limited(limits: Mapping[str, int] | None) -> Question:
        raw = _raw(of, name)
        raw["spec"].pop("limits", None)
        if limits is not None:
            raw["spec"]["limits"] = {key: quantity.format_units(key, amount) for key, amount in limits.items()}
        return _with_pool(of, name, raw), asked

    def fitted(bought: Iterable[plans.NewNode]) -> Change:
        used = Counter(template.usage)
        for node in bought:
            if node.node_pool == name:
                used.update({**known.flavors[node.flavor].capacity, NODES: 1})
        raised = {key: max(used[key], limit) for key, limit in template.limits.items()}
        more = [f"{key} to {_written(key, most)}" for key, most in raised.items() if most > template.limits[key]]
        return Change(f"raise the limits of NodePool {name}: {', '.join(more)}", lambda: limited(raised))

    yield Change(f"take the limits of NodePool {name} away", lambda: limited(None), fitted)


def _written(key: str, amount: int) -> str:
    return quantity.format_units(key, amount)


def _tolerations(build: builds.Build, index: int) -> Iterator[Change]:
    """A toleration for each taint that the pod does not tolerate, of each NodePool and of existing nodes."""
    of, asked, spec = build.context.objects, build.context.options, build.spec(index)
    tainted = {f"NodePool {name}": template.taints for name, template in build.templates.items()}
    seen = set(tainted.values())
    for place in build.context.places:
        if place.node is not None and place.taints not in seen:
            seen.add(place.taints)
            tainted[f"node {place.name}"] = place.taints
    for where, taints in tainted.items():
        kept_off = [t for t in taints if t.effect != "PreferNoSchedule"]
        more = tuple(cluster.Toleration(t.key, "Equal" if t.value else "Exists", t.value, t.effect) for t in kept_off)
        if not more or all(one in spec.tolerations for one in more):
            continue
        words = ", ".join(f"{t.key}={t.value}:{t.effect}" if t.value else f"{t.key}:{t.effect}" for t in kept_off)

        def edit(more: tuple[cluster.Toleration, ...] = more) -> Question:
            changed = _with_pods(
                of, _keys(build, index), lambda old: dataclasses.replace(old, tolerations=(*old.tolerations, *more))
            )
            return changed, asked

        yield Change(f"tolerate {words} ({where})", edit, own=True)


def _keys(build: builds.Build, index: int) -> frozenset[str]:
    """The pods of a class that wait."""
    return frozenset(build.problem.classes[index].pods)


def _pod_rules(build: builds.Build, index: int) -> Iterator[Change]:
    """Each rule of the pod's own, softened or left out."""
    of, asked, spec = build.context.objects, build.context.options, build.spec(index)

    def change(sentence: str, edit: Edit) -> Change:
        return Change(sentence, lambda: (_with_pods(of, _keys(build, index), edit), asked), own=True)

    for one in spec.spread:
        if one.hard:
            yield change(
                f"make the topology spread over {one.topology_key} soft (ScheduleAnyway)",
                _replacing("spread", one, dataclasses.replace(one, hard=False)),
            )
    for field, words in (("affinity", "pod affinity"), ("anti_affinity", "pod anti-affinity")):
        for term in getattr(spec, field):
            yield change(f"leave out the {words} over {term.topology_key}", _replacing(field, term))
    for pair in spec.node_selector:
        yield change(f"leave out the node selector {pair[0]}={pair[1]}", _replacing("node_selector", pair))
    if spec.node_terms is not None:
        yield change("leave out the required node affinity", lambda old: dataclasses.replace(old, node_terms=None))
    if spec.host_ports:
        yield change("leave out the host ports", lambda old: dataclasses.replace(old, host_ports=()))


def _replacing(field: str, old: Any, *new: Any) -> Edit:
    """Puts another entry in place of one of a field's, or none."""

    def edit(spec: cluster.PodSpec) -> cluster.PodSpec:
        entries: list[Any] = list(getattr(spec, field))
        index = entries.index(old)
        entries[index : index + 1] = new
        changed: dict[str, Any] = {field: tuple(entries)}
        return dataclasses.replace(spec, **changed)

    return edit


def _min_values(build: builds.Build, name: str) -> Iterator[Change]:
    """A NodePool that does not ask for a choice of flavors."""
    of, asked = build.context.objects, build.context.options
    if asked.min_values_policy == "BestEffort" or not any(r.get("minValues") for r in _requirements(_raw(of, name))):
        return

    def edit() -> Question:
        raw = _raw(of, name)
        for requirement in _requirements(raw):
            requirement.pop("minValues", None)
        return _with_pool(of, name, raw), asked

    yield Change(f"leave out minValues of NodePool {name}", edit)


def _quota(build: builds.Build, known: catalogue.Catalogue) -> Iterator[Change]:
    """The project quota raised to what is used when there is none."""
    of, asked = build.context.objects, build.context.options
    if not asked.quota:
        return

    def fitted(bought: Iterable[plans.NewNode]) -> Change:
        used: Counter[str] = Counter()
        for node in bought:
            its = known.flavors[node.flavor]
            used.update({"vcpus": its.vcpus, "memory": its.memory_gib * 1000 * allocatable.MIB, "instances": 1})
        raised = {key: max(used[key], left) for key, left in asked.quota.items()}
        more = [
            f"{key}={_written(key, most) if key == 'memory' else most}"
            for key, most in raised.items()
            if most > asked.quota[key]
        ]
        sentence = f"raise the quota that is left to {', '.join(more)}"
        return Change(sentence, lambda: (of, dataclasses.replace(asked, quota=raised)))

    yield Change("take the quota away", lambda: (of, dataclasses.replace(asked, quota={})), fitted)
