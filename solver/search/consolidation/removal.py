"""
Removing nodes: the relaxation that says which, and the problem that is left once it is decided.

In the relaxation a node goes by a fraction: its residents join the demand, its room is missing in the group of nodes
that take the same classes, its price is saved. Volumes on new nodes are those of `compact`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import linear
from solver.search.relaxation import compact

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

WASTE, SIZES = 0.9, 8
"""Room is wasted by pods of a size when less than this share of it can be used; at how many sizes that is looked at."""
WHOLE = 1e-5
"""Gap at which the search for a set of whole nodes ends."""


@dataclasses.dataclass(frozen=True, slots=True)
class Relaxed:
    """
    `bound` micro-euro per hour (new nodes minus removed ones, and costs of removal where asked for), `gone` (N,) the
    fraction of each node that goes, `nodes` (K,) new nodes of each kind, `value` (C,) what one pod more would cost.
    """

    bound: float
    gone: Floats
    nodes: Floats
    value: Floats


def movable(problem: problems.Problem) -> Mask:
    """Classes of which pods wait or could move (C,)."""
    return np.asarray((problem.counts > 0) | (problem.residents.sum(axis=0) > 0))


def relax(
    problem: problems.Problem, *, costs: bool, strong: bool = False, time_limit: float | None = None
) -> tuple[Relaxed, fields.Field] | None:
    """
    Solve the relaxation; `costs` counts charges and costs of removal.

    Returns
    -------
    The answer with the field of its kinds; None when there is none in time, or when not all pods have a place in it.
    """
    model = _Model(problem, costs=costs)
    model.build(strong=strong)
    answer = linear.solve(model.program, time_limit=time_limit)
    if answer is None:
        return None
    value = answer.duals[: len(problem.classes)]
    return Relaxed(answer.objective, answer.x[model.gone], answer.x[model.nodes], value), model.field


def whole(problem: problems.Problem, *, time_limit: float, nodes: int | None, seed: int) -> frozenset[int] | None:
    """
    The set of nodes that go when none goes by a fraction, all costs counted, while volumes and new nodes stay fractions.

    None when there is none within `time_limit` seconds or, if given, within `nodes` of the search tree.
    """
    model = _Model(problem, costs=True)
    model.build(strong=False)
    unit = float(np.abs(model.program.cost).max(initial=0.0)) or 1.0
    scaled = dataclasses.replace(model.program, cost=model.program.cost / unit)
    integers = np.zeros(len(scaled.cost), dtype=bool)
    integers[model.gone] = True
    found = linear.solve_mixed(scaled, integers, time_limit=time_limit, node_limit=nodes, gap=WHOLE, seed=seed)
    if found.x is None:
        return None
    return allowed(problem, np.flatnonzero(found.x[model.gone] > 0.5).tolist())


class _Model:
    """
    The relaxation as a linear program over the `field` of new nodes.

    Columns, in this order: pods of each class on each kind of new node (`pair_class`, `pair_kind`), pods of each class in each
    group of existing nodes (`room_class`, `room_group`), `nodes` of each kind (K,), by which fraction each node is `gone` (N,).
    """

    def __init__(self, problem: problems.Problem, *, costs: bool) -> None:
        self.problem = problem
        there = movable(problem)
        bare = problem if costs else dataclasses.replace(problem, node_charge=0)
        self.field = fields.make(bare, np.arange(len(problem.offers)), there)
        self.pair_class, self.pair_kind = np.nonzero(self.field.ok)
        self.group_of, ok = _groups(problem, there)
        self.groups = ok.shape[1]
        self.room_class, self.room_group = np.nonzero(ok)
        sizes = [len(self.pair_class), len(self.room_class), len(self.field.cost), len(problem.nodes)]
        ends = np.cumsum(sizes)
        self.pairs, self.rooms, self.nodes, self.gone = np.split(np.arange(ends[-1]), ends[:-1])
        prices = np.array([n.price for n in problem.nodes], dtype=np.float64)
        extra = np.array([n.removal_cost for n in problem.nodes], dtype=np.float64)
        cost, high = np.zeros(ends[-1]), np.full(ends[-1], np.inf)
        cost[self.nodes] = self.field.cost
        cost[self.gone] = (extra if costs else 0.0) - prices
        high[self.gone] = [n.removable for n in problem.nodes]
        self.program = linear.Program(cost=cost, low=np.zeros(ends[-1]), high=high)

    def build(self, *, strong: bool) -> None:
        """All rows; `strong` with dual feasible ones (`compact`)."""
        self._place_all()
        share = compact.shares(self.field.requests, self.field.room)[self.pair_class, self.pair_kind]
        for resource in range(share.shape[1]):
            self._fit_new_nodes(share[:, resource])
            if strong and (share[:, resource] > compact.BIG_POD).any():
                for k in (1, 2, 3):
                    self._fit_new_nodes(compact.dual_feasible(share[:, resource], k))
        room = np.maximum(self.problem.node_room[:, self.field.resources], 0).astype(np.float64)
        for group in range(self.groups):
            for resource in range(room.shape[1]):
                self._fit_existing_room(group, room[:, resource], resource)
        self._keep_limits()

    def _place_all(self) -> None:
        """Pods that wait, and those of nodes as far as these go, are on new nodes or in existing room."""
        residents = self.problem.residents.astype(np.float64)
        rows = self.program.add_rows(self.problem.counts.astype(np.float64), np.full(residents.shape[1], np.inf))
        self.program.add_entries(rows[self.pair_class], self.pairs, np.ones(len(self.pairs)))
        self.program.add_entries(rows[self.room_class], self.rooms, np.ones(len(self.rooms)))
        node, pod_class = np.nonzero(residents)
        self.program.add_entries(rows[pod_class], self.gone[node], -residents[node, pod_class])

    def _fit_new_nodes(self, weight: Floats) -> None:
        """The sum of `weight` (pairs,) on a kind of new node is at most its number of nodes."""
        rows = self.program.add_rows(np.full(len(self.nodes), -np.inf), np.zeros(len(self.nodes)))
        self.program.add_entries(rows[self.pair_kind], self.pairs, weight)
        self.program.add_entries(rows, self.nodes, np.full(len(self.nodes), -1.0))

    def _fit_existing_room(self, group: int, room: Floats, resource: int) -> None:
        """What pods take of the room (N,) of a group's nodes is at most that of those that stay; sizes of pods likewise."""
        members = np.flatnonzero(self.group_of == group)
        at = np.flatnonzero(self.room_group == group)
        room, total = room[members], room[members].sum()
        asked = self.field.requests[self.room_class[at], resource]
        scale = max(1.0, total)
        row = self.program.add_rows(np.full(1, -np.inf), np.full(1, total / scale))
        self.program.add_entries(row, self.rooms[at], asked / scale)
        self.program.add_entries(row, self.gone[members], room / scale)
        sizes = _whole_sizes(room, asked)
        fit = np.floor(room / sizes[:, None])
        rows = self.program.add_rows(np.full(len(sizes), -np.inf), fit.sum(axis=1))
        size, large = np.nonzero(asked >= sizes[:, None])
        self.program.add_entries(rows[size], self.rooms[at[large]], np.ones(len(size)))
        self.program.add_entries(rows[:, None], self.gone[members][None, :], fit)

    def _keep_limits(self) -> None:
        """Limits on new nodes, by the least that a twin of each kind takes, and limits on removals."""
        for cap in self.problem.caps:
            scale = max(1.0, float(cap.room))
            row = self.program.add_rows(np.full(1, -np.inf), np.full(1, max(0, cap.room) / scale))
            least = np.array([cap.per_offer[twins].min() for twins in self.field.twins], dtype=np.float64)
            self.program.add_entries(row, self.nodes, least / scale)
        for most, weight in _removal_rows(self.problem):
            row = self.program.add_rows(np.full(1, -np.inf), np.full(1, float(max(0, most))))
            self.program.add_entries(row, self.gone, weight)


def _whole_sizes(room: Floats, requests: Floats) -> Floats:
    """
    Sizes at which it counts that pods are whole: no node takes more pods of at least such a size than fit beside each
    other, and of the room (N,) a good part is left then. `requests` (C,) are the sizes that there are.
    """
    sizes = np.unique(requests[requests > 0]).astype(np.float64)
    used = (np.floor(room / sizes[:, None]) * sizes[:, None]).sum(axis=1)
    found: Floats = sizes[used < WASTE * room.sum()]
    return found[np.unique(np.linspace(0, len(found) - 1, min(len(found), SIZES)).astype(int))] if len(found) else found


def _groups(problem: problems.Problem, there: Mask) -> tuple[Ints, Mask]:
    """Group of each node (N,), -1 for those that take nothing; and which classes a group takes (C, G)."""
    ok = problem.node_ok & there[:, None]
    ok &= (problem.requests[:, None, :] <= np.maximum(problem.node_room, 0)[None]).all(axis=2)
    useful = np.flatnonzero(ok.any(axis=0))
    group_of = np.full(len(problem.nodes), -1, dtype=np.int64)
    if not len(useful):
        return group_of, np.zeros((len(there), 0), dtype=bool)
    masks = problem.node_ok[:, useful] & there[:, None]
    _, first, inverse = np.unique(np.packbits(masks, axis=0), axis=1, return_index=True, return_inverse=True)
    group_of[useful] = inverse.ravel()
    return group_of, np.asarray(masks[:, first])


def _removal_rows(problem: problems.Problem) -> list[tuple[int, Floats]]:
    """Limits on removals: how much, and what each node counts (N,)."""
    rows = [(cap.room, cap.nodes.astype(np.float64)) for cap in problem.removal_caps]
    if problem.max_removals is not None:
        rows.append((problem.max_removals, np.ones(len(problem.nodes))))
    if problem.max_evictions is not None:
        rows.append((problem.max_evictions, problem.residents.sum(axis=1).astype(np.float64)))
    return rows


def allowed(problem: problems.Problem, order: Collection[int]) -> frozenset[int]:
    """The nodes of an order that may go together, each taken as long as all limits on removals hold."""
    rows = _removal_rows(problem)
    room = [float(max(0, most)) for most, _ in rows]
    taken = []
    for node in order:
        if problem.nodes[node].removable and all(
            weight[node] <= left for left, (_, weight) in zip(room, rows, strict=True)
        ):
            taken.append(node)
            room = [left - float(weight[node]) for left, (_, weight) in zip(room, rows, strict=True)]
    return frozenset(taken)


def can_be_bought_again(problem: problems.Problem) -> bool:
    """
    Whether each removable node could be bought as it is, with all that it holds or may get, for no more than its price.

    Then whatever a solution keeps can stand for new nodes, so that a bound on what replaces all removable nodes bounds
    every solution. Rules across nodes say no: pods that run are not judged by them, pods on new nodes would be.
    """
    weights = [each.weight for each in problem.spreads]
    weights += [each.weight for each in problem.exclusions]
    weights += [each.weight for each in problem.attractions]
    if None in weights or problem.caps or problem.common_domains:
        return False
    residents = problem.residents
    for n, node in enumerate(problem.nodes):
        if node.removable:
            room = np.maximum(problem.node_room[n], 0) + residents[n] @ problem.requests
            there = problem.node_ok[:, n] | (residents[n] > 0)
            offers = (problem.prices <= node.price) & (problem.offer_room >= room).all(axis=1)
            if not (problem.offer_ok[there][:, offers].all(axis=0)).any():
                return False
    return True


def without(problem: problems.Problem, removed: frozenset[int]) -> problems.Problem:
    """
    The problem once it is decided that these nodes go and no others: their pods wait, nothing is left of them.

    Indices stay as they are, so that with `removed` added its solutions are solutions of `problem`.
    """
    gone = np.zeros(len(problem.nodes), dtype=bool)
    gone[list(removed)] = True
    stays = ~gone
    classes = tuple(
        dataclasses.replace(
            c, pods=(*c.pods, *(pod for n, pods in c.residents.items() if gone[n] for pod in pods)), residents={}
        )
        for c in problem.classes
    )

    def left(group: problems.Group) -> problems.Group:
        return problems.Group(group.members, group.base * stays)

    return dataclasses.replace(
        problem,
        classes=classes,
        nodes=tuple(dataclasses.replace(n, removable=False) for n in problem.nodes),
        node_room=problem.node_room * stays[:, None],
        node_ok=problem.node_ok & stays,
        topologies=tuple(dataclasses.replace(t, of_node=np.where(stays, t.of_node, -1)) for t in problem.topologies),
        spreads=tuple(
            dataclasses.replace(s, group=left(s.group), node_counted=s.node_counted & stays) for s in problem.spreads
        ),
        exclusions=tuple(
            dataclasses.replace(e, owner_base=e.owner_base * stays, targets=left(e.targets)) for e in problem.exclusions
        ),
        attractions=tuple(dataclasses.replace(a, targets=left(a.targets)) for a in problem.attractions),
        removal_caps=(),
        max_removals=None,
        max_evictions=None,
    )
