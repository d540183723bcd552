"""
The cluster while a plan is carried out: whether pods may be where they are after each step.

Amounts, taints and selectors are the same at all times, so they are not asked again. What changes is what pods see of
each other: some have moved, some have not, and nodes come and go.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from solver import evaluate
from solver import plan as plans
from solver import problem as problems


class States:
    """
    One plan on its way, by names of nodes and keys of pods.

    `problem` is the cluster before the plan, in which all nodes of the plan's `delete` may be removed, so that their
    pods are in classes. Nodes in `held` keep pods that may not be evicted and do not vanish when they are deleted.

    Pods that no chain of rules connects do not see each other: they are judged in parts.
    """

    def __init__(self, problem: problems.Problem, create: Sequence[plans.NewNode], held: Collection[str]) -> None:
        offers = {_kind(offer): index for index, offer in enumerate(problem.offers)}
        bare = _widened(problem, [offers[_kind(new)] for new in create])
        self._place = {
            name: at for at, name in enumerate([*(n.name for n in problem.nodes), *(n.name for n in create)])
        }
        self._new = {new.name for new in create}
        self._held = held
        self._class: dict[str, int] = {}
        self._home: dict[str, int] = {}
        for index, each in enumerate(problem.classes):
            self._class |= dict.fromkeys(each.pods, index)
            for node, pods in each.residents.items():
                self._class |= dict.fromkeys(pods, index)
                self._home |= dict.fromkeys(pods, node)
        self._part, self._bare = _parts(bare)

    def part(self, key: str) -> int:
        """The part that a pod belongs to, below 0 when no rule looks at it."""
        return int(self._part[self._class[key]])

    def legal(
        self,
        part: int,
        settled: Mapping[str, str],
        moving: Mapping[str, str],
        launched: Collection[str],
        gone: Collection[str],
    ) -> bool:
        """
        Whether the pods in `moving`, all of one part, may go to their places once nodes that are `gone` have gone.

        `settled` are pods of the part that have moved before and run at their places by now.
        """
        if part < 0 or not moving:
            return True
        bare = self._bare[part]
        shift = np.zeros((len(bare.nodes), len(bare.classes)), dtype=np.int64)
        for key in (*settled, *moving):
            if key in self._home:
                shift[self._home[key], self._class[key]] -= 1
        for key, name in settled.items():
            shift[self._place[name], self._class[key]] += 1
        absent = [self._place[name] for name in (*(self._new - set(launched)), *(set(gone) - set(self._held)))]
        here: dict[int, Counter[int]] = {}
        for key, name in moving.items():
            here.setdefault(self._place[name], Counter())[self._class[key]] += 1
        placed = {place: tuple(sorted(counts.items())) for place, counts in here.items()}
        return not evaluate.violations(_at(bare, shift, absent), problems.Solution(placed=placed))


def _parts(bare: problems.Problem) -> tuple[problems.Ints, list[problems.Problem]]:
    """The part of each class (C,), -1 where no rule asks for it, and for each part the problem with its rules alone."""
    seen = [
        *(s.owners | s.group.members for s in bare.spreads),
        *(e.owners | e.targets.members for e in bare.exclusions),
    ]
    seen += [a.owners | a.targets.members for a in bare.attractions]
    part = np.full(len(bare.classes), -1, dtype=np.int64)
    for number, members in enumerate(seen):
        met = set(part[members].tolist()) - {-1}
        part[members | np.isin(part, list(met))] = number
    parts = sorted(set(part.tolist()) - {-1})
    made = []
    for number in parts:
        mine = part == number
        made.append(
            dataclasses.replace(
                bare,
                spreads=tuple(s for s in bare.spreads if (mine & (s.owners | s.group.members)).any()),
                exclusions=tuple(e for e in bare.exclusions if (mine & (e.owners | e.targets.members)).any()),
                attractions=tuple(a for a in bare.attractions if (mine & (a.owners | a.targets.members)).any()),
            )
        )
    return np.array([parts.index(n) if n >= 0 else -1 for n in part.tolist()], dtype=np.int64), made


def _kind(of: problems.Offer | plans.NewNode) -> tuple[object, ...]:
    monthly = of.monthly if isinstance(of, problems.Offer) else of.monthly_billed
    return (of.node_pool, of.flavor, of.zone, monthly, *sorted(of.labels.items()))


def _widened(problem: problems.Problem, bought: list[int]) -> problems.Problem:
    """The problem with new nodes among the existing ones, and only with hard rules about what pods see of each other."""
    nothing = np.zeros(len(bought), dtype=np.int64)

    def wide(per_node: problems.Ints) -> problems.Ints:
        return np.concatenate([per_node, nothing])

    def group(of: problems.Group) -> problems.Group:
        return problems.Group(of.members, wide(of.base))

    places = len(problem.nodes) + len(bought)
    classes = tuple(
        dataclasses.replace(c, pods=(*c.pods, *(pod for pods in c.residents.values() for pod in pods)), residents={})
        for c in problem.classes
    )
    nodes = tuple(dataclasses.replace(node, removable=False) for node in problem.nodes)
    nodes += tuple(
        problems.ExistingNode("", "", offer.node_pool, offer.flavor, offer.zone, offer.price)
        for offer in (problem.offers[index] for index in bought)
    )
    return dataclasses.replace(
        problem,
        classes=classes,
        nodes=nodes,
        requests=np.zeros_like(problem.requests),
        node_room=np.zeros((places, len(problem.resources)), dtype=np.int64),
        node_ok=np.ones((len(classes), places), dtype=bool),
        node_penalty=np.zeros((len(classes), places), dtype=np.int64),
        topologies=tuple(
            dataclasses.replace(t, of_node=np.concatenate([t.of_node, t.of_offer[bought]])) for t in problem.topologies
        ),
        spreads=tuple(
            dataclasses.replace(
                s, group=group(s.group), node_counted=np.concatenate([s.node_counted, s.offer_counted[bought]])
            )
            for s in problem.spreads
            if s.weight is None
        ),
        exclusions=tuple(
            dataclasses.replace(e, owner_base=wide(e.owner_base), targets=group(e.targets))
            for e in problem.exclusions
            if e.weight is None and e.topology != problems.HOST
        ),
        attractions=tuple(
            dataclasses.replace(a, targets=group(a.targets)) for a in problem.attractions if a.weight is None
        ),
        common_domains=(),
        shared_amounts=(),
        min_values=(),
        caps=(),
        removal_caps=(),
        max_removals=None,
        max_evictions=None,
    )


def _at(bare: problems.Problem, shift: problems.Ints, absent: Iterable[int]) -> problems.Problem:
    """The problem after pods have come and gone (`shift`, places x classes), without the places that are absent."""
    there = np.ones(len(bare.nodes), dtype=bool)
    there[list(absent)] = False

    def base(of: problems.Ints, members: problems.Mask) -> problems.Ints:
        return np.asarray((of + shift @ members.astype(np.int64)) * there)

    def group(of: problems.Group) -> problems.Group:
        return problems.Group(of.members, base(of.base, of.members))

    return dataclasses.replace(
        bare,
        topologies=tuple(dataclasses.replace(t, of_node=np.where(there, t.of_node, -1)) for t in bare.topologies),
        spreads=tuple(
            dataclasses.replace(s, group=group(s.group), node_counted=s.node_counted & there) for s in bare.spreads
        ),
        exclusions=tuple(
            dataclasses.replace(e, owner_base=base(e.owner_base, e.owners), targets=group(e.targets))
            for e in bare.exclusions
        ),
        attractions=tuple(dataclasses.replace(a, targets=group(a.targets)) for a in bare.attractions),
    )
