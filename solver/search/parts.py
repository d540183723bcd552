"""
Where a problem falls apart: parts that no place, rule or limit ties together, each a problem of its own.

Two classes of pods are in one part when

- a place (an existing node, an offer) holds a pod of either: they could share a node, and its NodePool and OVH pool;
- a rule across nodes relates them: a spread its owners, the pods that it counts and whoever may open a domain that it
  counts; an exclusion over domains and an attraction their owners and targets; a common domain its members. Rules inside
  one node tie nobody who cannot share a node anyway;
- both use a limit of a NodePool or a quota that could bind: one of which the relaxation of the whole, which knows no
  limits, takes most. Limits that seem out of reach, and the greatest number of OVH pools, tie nothing; `together` looks
  at the sum that was bought;
- they could share the charge for a new OVH pool, where the exact model can carry the whole. Where it cannot, a few
  micro-euro are not worth the tie.

So the best solution of the whole is the best of each part side by side (`Value` adds up field by field, and its order
is one of sums), and bounds of the parts add up. Pods that no place holds are in no part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import quota
from solver.search.exact import small
from solver.search.packing import existing
from solver.search.relaxation import compact, merge

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

REACHED = 0.8
"""A limit ties those who use it from this share of it on, taken by the relaxation without limits."""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A part as a problem of its own; `classes` (c,), `nodes` (n,), `offers` (o,) are its indices in the whole, ascending."""

    problem: problems.Problem
    classes: Ints
    nodes: Ints
    offers: Ints

    def inside(self, solution: problems.Solution) -> problems.Solution:
        """What a solution of the whole says about the part."""
        classes, nodes, offers = (_index(each) for each in (self.classes, self.nodes, self.offers))

        def own(counts: problems.Counts) -> problems.Counts:
            return tuple((classes[c], number) for c, number in counts if c in classes)

        new = [(offers[offer], own(counts)) for offer, counts in solution.new if offer in offers]
        placed = {nodes[node]: own(counts) for node, counts in solution.placed.items() if node in nodes}
        return problems.Solution(
            new=tuple(each for each in new if each[1]),
            placed={node: counts for node, counts in placed.items() if counts},
        )


def _index(of: Ints) -> dict[int, int]:
    return {int(each): position for position, each in enumerate(of)}


def union(parts: Iterable[tuple[Part, problems.Solution]]) -> problems.Solution:
    """The solution of the whole that solutions of the parts make side by side."""
    new: list[tuple[int, problems.Counts]] = []
    placed: dict[int, dict[int, int]] = {}
    for part, solution in parts:
        new += [(int(part.offers[offer]), _counts(part, counts)) for offer, counts in solution.new]
        for node, counts in solution.placed.items():
            placed.setdefault(int(part.nodes[node]), {}).update(_counts(part, counts))
    return problems.Solution(
        new=tuple(new), placed={node: tuple(sorted(counts.items())) for node, counts in sorted(placed.items())}
    )


def _counts(part: Part, counts: problems.Counts) -> problems.Counts:
    return tuple((int(part.classes[c]), number) for c, number in counts)


def split(problem: problems.Problem) -> list[Part]:
    """
    The parts of a problem, the one of the first class first; pods that no place holds are in none. One part, which is then the
    problem itself, when nodes may be removed: what is saved ties everything together.
    """
    there = problem.counts > 0
    everything = Part(problem, *(np.arange(len(each)) for each in (problem.classes, problem.nodes, problem.offers)))
    if any(node.removable for node in problem.nodes):
        return [everything]
    holds = held(problem, there)
    bonds = list(_rules(problem, there, holds))
    if small.carries(problem):
        bonds += _charges(problem, holds)
    groups = _groups(holds, bonds)
    if len(groups) > 1 and (scarce := _scarce(problem, holds, groups)):
        groups = _groups(holds, bonds + scarce)
    if not groups or (groups[0] == there).all():
        return [everything]
    return [_part(problem, members, holds) for members in groups]


def held(problem: problems.Problem, there: Mask) -> Mask:
    """(C, N + O) existing nodes and empty new ones that hold a pod of a class of those that are `there` (C,)."""
    ok = np.concatenate([problem.node_ok, problem.offer_ok], axis=1) & there[:, None]
    room = np.maximum(np.concatenate([problem.node_room, problem.offer_room]), 0)
    for resource in range(room.shape[1]):
        ok &= problem.requests[:, resource, None] <= room[None, :, resource]
    return ok


def _groups(holds: Mask, bonds: list[Mask]) -> list[Mask]:
    """Sets (C,) of classes that places or bonds (C,) tie together; classes without a place are in none."""
    left: Mask = np.asarray(holds.any(axis=1))
    groups: list[Mask] = []
    while left.any():
        members: Mask = np.zeros(len(left), dtype=np.bool_)
        members[left.argmax()] = True
        size = 0
        while size != (size := int(members.sum())):
            places = holds[members].any(axis=0)
            members |= holds[:, places].any(axis=1)
            for bond in bonds:
                if (bond & members).any():
                    members |= bond & left
        left = left & ~members
        groups.append(members)
    return groups


def _rules(problem: problems.Problem, there: Mask, holds: Mask) -> Iterator[Mask]:
    """Classes (C,) that each rule across nodes ties together."""
    for spread in problem.spreads:
        if (spread.owners & there).any():
            openers = holds[:, len(problem.nodes) + np.flatnonzero(_opens(problem, spread))].any(axis=1)
            yield (spread.owners | spread.group.members | openers) & there
    for exclusion in problem.exclusions:
        owners, targets = exclusion.owners & there, exclusion.targets.members & there
        if exclusion.topology != problems.HOST and owners.any() and targets.any():
            yield owners | targets
    for attraction in problem.attractions:
        if (attraction.owners & there).any():
            yield (attraction.owners | attraction.targets.members) & there
    for common in problem.common_domains:
        yield common.members & there


def _opens(problem: problems.Problem, spread: problems.Spread) -> Mask:
    """(O,) offers whose new nodes may make a domain count that does not yet."""
    if spread.topology == problems.HOST:
        return spread.offer_counted
    keys = problem.topologies[spread.topology]
    counts = spread.always.copy()
    old = keys.of_node[spread.node_counted]
    counts[old[old >= 0]] = True
    opens = spread.offer_counted & (keys.of_offer >= 0)
    opens[opens] = ~counts[keys.of_offer[opens]]
    return opens


def _charges(problem: problems.Problem, holds: Mask) -> Iterator[Mask]:
    """Classes (C,) that could share the charge for each kind of OVH pool that does not exist."""
    if problem.pools.charge > 0:
        kinds = np.array([offer.pool for offer in problem.offers], dtype=np.int64)
        for kind in np.flatnonzero(~problem.pools.exists):
            yield np.asarray(holds[:, len(problem.nodes) + np.flatnonzero(kinds == kind)].any(axis=1))


# ------------------------------------------------------------------------------------------------------- scarce limits


def _scarce(problem: problems.Problem, holds: Mask, groups: list[Mask]) -> list[Mask]:
    """Classes (C,) that each limit ties which several groups use and which could bind; everybody when nobody knows."""
    nodes = len(problem.nodes)
    users: list[Mask] = [
        np.asarray(holds[:, nodes + np.flatnonzero(cap.per_offer > 0)].any(axis=1)) for cap in problem.caps
    ]
    shared = [sum(bool((each & members).any()) for members in groups) > 1 for each in users]
    if not any(shared):
        return []
    there: Mask = np.asarray(holds.any(axis=1))
    field = fields.make(problem, np.arange(len(problem.offers)), there)
    counts = np.where(there, problem.counts, 0).astype(np.float64)
    merged = merge.merge(field, counts, up=True)
    room = existing.groups(problem, field, np.arange(nodes), there)
    volumes = compact.solve(merged.field, merged.counts, room=merge.room_of(merged, room), strong=False)
    limits = quota.limits_of(problem, field)
    if volumes is None or limits is None:
        return [there]
    taken = limits.per_node @ volumes.nodes
    return [each for i, each in enumerate(users) if shared[i] and taken[i] > REACHED * limits.room[i]]


# -------------------------------------------------------------------------------------------------------------- a part


def _part(problem: problems.Problem, members: Mask, holds: Mask) -> Part:
    """The problem of some classes (C,): the places that hold them, and all that their rules look at."""
    classes = np.flatnonzero(members)
    n_nodes = len(problem.nodes)
    offers = np.flatnonzero(holds[classes, n_nodes:].any(axis=0))
    spreads = [s for s in problem.spreads if s.owners[classes].any()]
    exclusions = [e for e in problem.exclusions if (e.owners | e.targets.members)[classes].any()]
    attractions = [a for a in problem.attractions if a.owners[classes].any()]
    seen = holds[classes, :n_nodes].any(axis=0)
    for spread in spreads:
        seen = seen | spread.node_counted
    for exclusion in exclusions:
        if exclusion.topology != problems.HOST:
            seen = seen | (exclusion.owner_base > 0) | (exclusion.targets.base > 0)
    for attraction in attractions:
        seen = seen | (attraction.targets.base > 0)
    nodes = np.flatnonzero(seen)

    def group(value: problems.Group) -> problems.Group:
        return problems.Group(value.members[classes], value.base[nodes])

    sliced = dataclasses.replace(
        problem,
        classes=tuple(dataclasses.replace(problem.classes[c], residents={}) for c in classes),
        nodes=tuple(problem.nodes[n] for n in nodes),
        offers=tuple(problem.offers[o] for o in offers),
        requests=problem.requests[classes],
        node_room=problem.node_room[nodes],
        offer_room=problem.offer_room[offers],
        node_ok=problem.node_ok[np.ix_(classes, nodes)],
        offer_ok=problem.offer_ok[np.ix_(classes, offers)],
        node_penalty=problem.node_penalty[np.ix_(classes, nodes)],
        offer_penalty=problem.offer_penalty[np.ix_(classes, offers)],
        offer_rank=problem.offer_rank[np.ix_(classes, offers)],
        topologies=tuple(
            dataclasses.replace(t, of_node=t.of_node[nodes], of_offer=t.of_offer[offers]) for t in problem.topologies
        ),
        spreads=tuple(
            dataclasses.replace(
                s,
                owners=s.owners[classes],
                group=group(s.group),
                node_counted=s.node_counted[nodes],
                offer_counted=s.offer_counted[offers],
            )
            for s in spreads
        ),
        exclusions=tuple(
            dataclasses.replace(e, owners=e.owners[classes], owner_base=e.owner_base[nodes], targets=group(e.targets))
            for e in exclusions
        ),
        attractions=tuple(
            dataclasses.replace(a, owners=a.owners[classes], targets=group(a.targets), bootstrap=a.bootstrap[classes])
            for a in attractions
        ),
        common_domains=tuple(
            dataclasses.replace(c, members=c.members[classes])
            for c in problem.common_domains
            if c.members[classes].any()
        ),
        shared_amounts=tuple(
            dataclasses.replace(s, members=s.members[classes], attached=s.attached[nodes])
            for s in problem.shared_amounts
            if s.members[classes].any()
        ),
        min_values=tuple(
            dataclasses.replace(m, value_of=m.value_of[offers])
            for m in problem.min_values
            if (m.value_of[offers] >= 0).any()
        ),
        caps=tuple(
            dataclasses.replace(c, per_offer=c.per_offer[offers]) for c in problem.caps if c.per_offer[offers].any()
        ),
        removal_caps=(),
    )
    return Part(sliced, classes, nodes, offers)
