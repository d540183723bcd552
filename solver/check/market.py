"""
What may be bought: a NodePool, a flavor and a zone, with price, labels and the room that DaemonSets leave.

Built afresh from catalogue, NodePools and options, so that a plan's nodes can be compared with it.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator, Mapping

from catalog import allocatable, catalogue, flavor, region
from catalog import labels as names
from solver import cluster, options
from solver.check import daemons, match, pools


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """
    A kind of node that may be bought.

    `labels` are those that flavor, place and template decide; keys of `pool.open_keys` come on top, with any value
    that the pool's conditions allow. `room` is what DaemonSets leave of `flavor.allocatable`.
    """

    pool: pools.Pool
    flavor: flavor.Flavor
    zone: str
    price: int
    monthly: bool
    labels: Mapping[str, str]
    plain_labels: Mapping[str, str]
    room: Mapping[str, int]

    def admits(self, spec: cluster.PodSpec, fixed: Mapping[str, str] | None = None) -> bool:
        """
        Whether taints, nodeSelector and required node affinity let a pod onto such a node.

        `fixed` holds values of open keys that are decided; any other may have each value that its pool allows. The
        node's name and hostname are not known before it exists: no pod can ask for one.
        """
        if match.untolerated(self.pool.taints, spec.tolerations) is not None:
            return False
        terms = spec.node_terms if spec.node_terms is not None else (None,)
        return any(self._term_holds(spec, term, fixed or {}) for term in terms)

    def _term_holds(self, spec: cluster.PodSpec, term: cluster.NodeTerm | None, fixed: Mapping[str, str]) -> bool:
        if term is not None and not term.expressions and not term.fields:
            return False
        asked: dict[str, list[match.Condition]] = {key: [("In", (value,))] for key, value in spec.node_selector}
        for expression in term.expressions if term is not None else ():
            asked.setdefault(expression.key, []).append((expression.operator, expression.values))
        if term is not None and not all(match.value_holds(e.operator, e.values, _UNKNOWN) for e in term.fields):
            return False
        return all(self._key_holds(key, conditions, fixed) for key, conditions in asked.items())

    def _key_holds(self, key: str, conditions: list[match.Condition], fixed: Mapping[str, str]) -> bool:
        if key in self.pool.open_keys and key not in fixed:
            return match.some_value([*self.pool.conditions[key], *conditions]) is not None
        value = _UNKNOWN if key == names.HOSTNAME else fixed.get(key, self.labels.get(key))
        return all(match.value_holds(operator, values, value) for operator, values in conditions)

    def holds(self, spec: cluster.PodSpec) -> bool:
        """Whether an empty node has room for one such pod."""
        return self.room.get(allocatable.PODS, 0) >= 1 and all(
            amount <= self.room.get(resource, 0) for resource, amount in spec.requests if amount
        )

    def values(self, key: str) -> tuple[str, ...]:
        """Values that such a node may have for a label key; for open keys those that the pool lists."""
        if key not in self.pool.open_keys:
            return (self.labels[key],) if key in self.labels else ()
        conditions = self.pool.conditions[key]
        listed = {value for operator, values in conditions if operator == "In" for value in values}
        return tuple(v for v in sorted(listed) if all(match.value_holds(op, values, v) for op, values in conditions))


_UNKNOWN = "\0"
"""Stands for a value that nobody can know; it equals nothing that can be written."""


@dataclasses.dataclass(slots=True)
class Market:
    """Offers by NodePool, flavor and zone, each made when it is first asked for."""

    catalogue: catalogue.Catalogue
    asked: options.Options
    node_pools: Mapping[str, pools.Pool]
    daemon_sets: tuple[cluster.DaemonSet, ...]
    _known: dict[tuple[str, str, str], Offer | tuple[str, str]] = dataclasses.field(default_factory=dict)
    _all: list[Offer] | None = None

    def offer(self, pool: pools.Pool, flavor_name: str, zone: str) -> Offer | tuple[str, str]:
        """The offer, or name of the rule and reason why there is none."""
        key = (pool.name, flavor_name, zone)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._refusal(pool, flavor_name, zone) or self._make(pool, flavor_name, zone)
        return found

    def offers(self) -> list[Offer]:
        """All offers of NodePools that pods may bring nodes about of."""
        if self._all is None:
            self._all = list(self._each())
        return self._all

    def _each(self) -> Iterator[Offer]:
        for pool in self.node_pools.values():
            if pool.unusable or pool.replicas is not None:
                continue
            for name in self.catalogue.flavors:
                for zone in pool.zones:
                    found = self.offer(pool, name, zone)
                    if isinstance(found, Offer):
                        yield found

    def _refusal(self, pool: pools.Pool, name: str, zone: str) -> tuple[str, str] | None:
        of = self.catalogue.flavors.get(name)
        if of is None:
            return "flavor", f"flavor {name} is not in the catalogue"
        if not of.offered:
            return "flavor", f"flavor {name} is not offered for MKS"
        if zone not in pool.zones:
            return "zone", f"region {pool.region} has no zone {zone}"
        asked = self.asked
        if asked.only_flavors and not any(fnmatch.fnmatchcase(name, glob) for glob in asked.only_flavors):
            return "options", f"flavor {name} is none of the flavors asked for"
        if any(fnmatch.fnmatchcase(name, glob) for glob in asked.without_flavors):
            return "options", f"flavor {name} is excluded"
        if zone in {_in_region(pool.region, excluded) for excluded in asked.without_zones}:
            return "options", f"zone {zone} is excluded"
        if zone in {_in_region(pool.region, closed) for closed in of.unavailable_zones}:
            return "flavor", f"flavor {name} cannot be bought in zone {zone}"
        if catalogue.price_per_hour(of, monthly=pool.monthly)[1] is None:
            return "price", f"no price is known for flavor {name}"
        node_labels = _labels(pool, of, zone)
        for key, conditions in pool.conditions.items():
            if key in pool.open_keys:
                if match.some_value(conditions) is None:
                    return "requirements", f"no value of {key} fulfils all requirements of NodePool {pool.name}"
            elif not all(match.value_holds(op, values, node_labels.get(key)) for op, values in conditions):
                return "requirements", f"{name} in {zone} does not fulfil NodePool {pool.name}'s requirement on {key}"
        return None

    def _make(self, pool: pools.Pool, name: str, zone: str) -> Offer:
        of = self.catalogue.flavors[name]
        billing, price = catalogue.price_per_hour(of, monthly=pool.monthly)
        assert price is not None
        node_labels = _labels(pool, of, zone)
        # Which DaemonSets select on a label whose value is still open is only known on the planned nodes themselves.
        taken = daemons.load(self.daemon_sets, joined(node_labels), pool.taints).requests
        room = {resource: amount - taken.get(resource, 0) for resource, amount in of.allocatable.items()}
        plain = {key: value for key, value in node_labels.items() if key not in names.OLD_NAMES}
        return Offer(pool, of, zone, price, billing == "monthly", node_labels, plain, room)


def _labels(pool: pools.Pool, of: flavor.Flavor, zone: str) -> dict[str, str]:
    return with_old_names(
        {
            **pool.labels,
            **names.flavor_labels(of),
            **names.offering_labels(pool.region, zone),
            names.NODEPOOL: pool.name,
            pools.NODE_CLASS: pool.node_class,
        }
    )


def joined(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels that a node will have once it has joined, under a name that nobody knows yet."""
    return {**daemons.REGISTERED, names.HOSTNAME: _UNKNOWN, **labels}


def with_old_names(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels with those under which kubelet and cloud controller repeat some of them (`beta.kubernetes.io/arch`)."""
    return {**{old: labels[new] for old, new in names.OLD_NAMES.items() if new in labels}, **labels}


def _in_region(where: str, zone: str) -> str:
    return region.resolve_zone(where, zone)[0] if where in region.REGIONS else zone
