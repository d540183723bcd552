"""Changes that a plan proposes, made as a reader of the sentence would make them: in manifests, pod specs and options."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from catalog import catalogue, labels
from crds import nodepool, quantity
from solver import build, cluster, options

Question = tuple[cluster.Cluster, options.Options]


def applied(
    sentence: str, pod: str, of: cluster.Cluster, asked: options.Options, known: catalogue.Catalogue
) -> Question:
    """The question with the change made; pods are all that wait with the spec of `pod`."""
    for pattern, edit in _POOL_EDITS.items():
        if found := re.fullmatch(pattern, sentence):
            name = found["pool"]
            raw = of.node_pools[name].manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)
            raw.setdefault("metadata", {})["name"] = name
            edit(raw, found, of, asked, known)
            pool = dataclasses.replace(of.node_pools[name], manifest=nodepool.NodePool.model_validate(raw))
            return dataclasses.replace(of, node_pools={**of.node_pools, name: pool}), asked
    if found := re.fullmatch("raise the quota that is left to (?P<parts>.*)", sentence):
        parts = dict(part.split("=") for part in found["parts"].split(", "))
        more = {
            key: quantity.resource_units(key, value) if key == "memory" else int(value) for key, value in parts.items()
        }
        return of, dataclasses.replace(asked, quota={**asked.quota, **more})
    for pattern, change in _POD_EDITS.items():
        if found := re.fullmatch(pattern, sentence):
            old = of.pods[pod].spec
            new = change(old, found)
            assert new != old
            pods = {
                key: dataclasses.replace(p, spec=new) if p.spec == old and not p.node else p
                for key, p in of.pods.items()
            }
            return dataclasses.replace(of, pods=pods), asked
    raise AssertionError(f"no reader knows what to do: {sentence}")


def _requirements(raw: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = raw["spec"]["template"]["spec"].setdefault("requirements", [])
    return found


def _allow_flavor(raw: Any, found: Any, of: Any, asked: Any, known: Any) -> None:
    """The flavors that could be bought so far and one more, named one by one."""
    problem = build.build_problem(of, known, asked).problem
    flavors = {offer.flavor for offer in problem.offers if offer.node_pool == found["pool"]} | {found["flavor"]}
    keep = [r for r in _requirements(raw) if r["key"] not in labels.flavor_labels(known.flavors[found["flavor"]])]
    keep = [r for r in keep if r["key"] != labels.INSTANCE_TYPE]
    names = {"key": labels.INSTANCE_TYPE, "operator": "In", "values": sorted(flavors)}
    raw["spec"]["template"]["spec"]["requirements"] = [*keep, names]


def _allow_zone(raw: Any, found: Any, *_: Any) -> None:
    for requirement in _requirements(raw):
        if requirement["key"] == labels.ZONE:
            assert requirement["operator"] == "In"
            requirement["values"].append(found["zone"])


def _raise_limits(raw: Any, found: Any, *_: Any) -> None:
    for part in found["parts"].split(", "):
        resource, _, amount = part.partition(" to ")
        assert resource in raw["spec"]["limits"]
        raw["spec"]["limits"][resource] = amount


def _no_min_values(raw: Any, *_: Any) -> None:
    for requirement in _requirements(raw):
        requirement.pop("minValues", None)


_POOL_EDITS: dict[str, Callable[..., None]] = {
    "allow flavor (?P<flavor>.*) in NodePool (?P<pool>.*)": _allow_flavor,
    "allow zone (?P<zone>.*) in NodePool (?P<pool>.*)": _allow_zone,
    "raise the limits of NodePool (?P<pool>[^:]*): (?P<parts>.*)": _raise_limits,
    "leave out minValues of NodePool (?P<pool>.*)": _no_min_values,
}


def _tolerate(spec: cluster.PodSpec, found: re.Match[str]) -> cluster.PodSpec:
    more = []
    for taint in found["taints"].split(", "):
        key, _, effect = taint.rpartition(":")
        key, _, value = key.partition("=")
        more.append(cluster.Toleration(key, "Equal" if value else "Exists", value, effect))
    return dataclasses.replace(spec, tolerations=(*spec.tolerations, *more))


def _soften(spec: cluster.PodSpec, found: re.Match[str]) -> cluster.PodSpec:
    spread = tuple(dataclasses.replace(s, hard=s.hard and s.topology_key != found["key"]) for s in spec.spread)
    return dataclasses.replace(spec, spread=spread)


def _without(field: str, key: str) -> Callable[[cluster.PodSpec, re.Match[str]], cluster.PodSpec]:
    def edit(spec: cluster.PodSpec, found: re.Match[str]) -> cluster.PodSpec:
        kept: Any = tuple(each for each in getattr(spec, field) if getattr(each, key) != found["key"])
        fields: dict[str, Any] = {field: kept}
        return dataclasses.replace(spec, **fields)

    return edit


def _select_less(spec: cluster.PodSpec, found: re.Match[str]) -> cluster.PodSpec:
    kept = tuple(pair for pair in spec.node_selector if pair != (found["key"], found["value"]))
    return dataclasses.replace(spec, node_selector=kept)


_POD_EDITS: dict[str, Callable[[cluster.PodSpec, re.Match[str]], cluster.PodSpec]] = {
    r"tolerate (?P<taints>.*) \((NodePool|node) .*\)": _tolerate,
    r"make the topology spread over (?P<key>.*) soft \(ScheduleAnyway\)": _soften,
    "leave out the pod affinity over (?P<key>.*)": _without("affinity", "topology_key"),
    "leave out the pod anti-affinity over (?P<key>.*)": _without("anti_affinity", "topology_key"),
    "leave out the node selector (?P<key>[^=]*)=(?P<value>.*)": _select_less,
    "leave out the required node affinity": lambda spec, _: dataclasses.replace(spec, node_terms=None),
    "leave out the host ports": lambda spec, _: dataclasses.replace(spec, host_ports=()),
}
