"""
A plan as steps that can be carried out one after the other.

In a step nodes are launched, then pods move, then nodes are deleted. Nodes whose pods all go to nodes that are there
come first, those that wait for new nodes after them. A PodDisruptionBudget lets only so many pods go at once: what is
above that waits for the next step, when the moved pods run again. Each step leaves pods where they may be next to each
other: where that decides, it decides which pods go first.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from solver import cluster
from solver import plan as plans
from solver.disruption import candidates, states, worth
from solver.disruption import pods as pod_rules

ORDERS = 8
"""Orders of moves that are tried before a plan is said to have none."""
TRIES = 40
"""Sets of moves that are tried for one part in one step."""
GUESSES = 3
"""How often it is guessed which nodes a step empties."""


@dataclasses.dataclass(slots=True)
class _Stage:
    launch: list[str]
    gone: list[plans.GoneNode]


@dataclasses.dataclass(frozen=True, slots=True)
class Ordered:
    """The steps of a plan, or nodes for which no order was found in which they could go."""

    steps: tuple[plans.Step, ...]
    blocked: frozenset[str] = frozenset()


def order(
    of: cluster.Cluster,
    create: Sequence[plans.NewNode],
    delete: Sequence[plans.GoneNode],
    placements: Mapping[str, str],
    on_its_way: states.States | None,
) -> Ordered:
    """
    The steps of a plan.

    `placements` are where pods go; pods on nodes of `delete` that have none stay until their node ends. `on_its_way`
    judges states in between; it may be None when nothing is deleted. Steps take their estimated time in seconds.
    """
    if not delete or on_its_way is None:
        return Ordered(tuple(_timed([node.name for node in create], {}, []) for _ in range(bool(create))))
    new = {node.name for node in create}
    leaving = {pod for gone in delete for pod in gone.pods}
    bought = [node.name for node in create if not leaving.intersection(node.pods)]
    late = [gone for gone in delete if any(placements.get(pod) in new for pod in gone.pods)]
    waits = {gone.node for gone in late}
    early = [gone for gone in delete if gone.node not in waits]
    rest = [node.name for node in create if node.name not in set(bought)]
    apart = [_Stage(bought, early), _Stage(rest, late)]
    together = [_Stage([*bought, *rest], [*early, *late])]
    ways = [apart, together, [_Stage([], early), _Stage([*bought, *rest], late)]]
    arriving = {key: name for key, name in placements.items() if key not in leaving}
    stuck = frozenset(gone.node for gone in delete)
    for stages in ways:
        for attempt in range(ORDERS):
            walk = _Walk(of, placements, arriving, on_its_way, new, _ending(of, delete), attempt)
            found = [step for stage in stages for step in walk.steps(stage)]
            if not walk.blocked:
                return Ordered(tuple(found))
            if walk.waiting:
                stuck = min(stuck, frozenset(walk.waiting), key=len)
    return Ordered((), stuck)


def _ending(of: cluster.Cluster, delete: Sequence[plans.GoneNode]) -> set[str]:
    """Nodes that go whatever budgets of pods say: expired ones, and drifted ones with a grace period."""
    return {
        gone.node
        for gone in delete
        if gone.reason == candidates.EXPIRED
        or (gone.reason == candidates.DRIFTED and of.node_claims[gone.node_claim].termination_grace_period is not None)
    }


class _Walk:
    """The plan carried out step by step; `attempt` draws the order in which moves are tried, 0 keeps theirs."""

    def __init__(
        self,
        of: cluster.Cluster,
        placements: Mapping[str, str],
        arriving: Mapping[str, str],
        on_its_way: states.States,
        new: Collection[str],
        ends: Collection[str],
        attempt: int,
    ) -> None:
        self.of = of
        self.placements = placements
        self.states = on_its_way
        self.ends = ends
        self.arriving = arriving
        self.new = new
        self.random = np.random.default_rng(attempt) if attempt else None
        self.budgets = pod_rules.Budgets(of)
        self.settled: dict[int, dict[str, str]] = {}
        self.launched: set[str] = set()
        self.arrived: set[str] = set()
        self.gone: set[str] = set()
        self.waiting: dict[str, list[str]] = {}
        self.blocked = False

    def steps(self, stage: _Stage) -> Iterator[plans.Step]:
        """The stage in as few steps as budgets of pods and the rules allow."""
        self.waiting = {gone.node: [pod for pod in gone.pods if pod in self.placements] for gone in stage.gone}
        launch = stage.launch
        while (self.waiting or launch) and not self.blocked:
            self.launched.update(launch)
            here = {
                key: name
                for key, name in self.arriving.items()
                if key not in self.arrived and (name in self.launched or name not in self.new)
            }
            move = self._moves(here)
            deleted = self._emptied(move)
            if self.blocked or not (move or deleted or launch):
                self.blocked = True
                return
            for key, name in {**here, **move}.items():
                self.settled.setdefault(self.states.part(key), {})[key] = name
            self.arrived.update(here)
            self.gone.update(deleted)
            self.waiting = {
                node: [pod for pod in pods if pod not in move]
                for node, pods in self.waiting.items()
                if node not in deleted
            }
            yield _timed(launch, move, deleted)
            launch = []

    def _moves(self, here: Mapping[str, str]) -> dict[str, str]:
        """
        The moves of a step, part by part. `here` are pods that find their place in any case.

        Which nodes are emptied depends on all parts, and what is legal on which nodes are gone: guessed, and guessed
        again. In the end parts that are not legal after all wait.
        """
        queue: dict[int, list[tuple[str, str]]] = {}
        for node, pods in self.waiting.items():
            for key in pods:
                queue.setdefault(self.states.part(key), []).append((node, key))
        arriving: dict[int, dict[str, str]] = {}
        for key, name in here.items():
            arriving.setdefault(self.states.part(key), {})[key] = name
        parts = dict.fromkeys([*queue, *arriving])
        gone = self.gone.union(self.waiting)
        chosen: dict[int, dict[str, str]] = {}
        for _ in range(GUESSES):
            taken: Counter[int] = Counter()
            for part in sorted(parts, key=lambda each: each not in chosen):
                moves, mine = chosen.get(part), arriving.get(part, {})
                if moves is None or not self._legal(part, mine, moves, gone):
                    moves = self._pick(part, queue.get(part, []), mine, gone, taken)
                else:
                    self._take(moves, taken)
                chosen[part] = moves
            guessed, gone = gone, self._gone_after(chosen)
            if gone == guessed:
                break
        wrong = True
        while wrong:
            wrong = False
            for part in parts:
                if not self._legal(part, arriving.get(part, {}), chosen[part], gone):
                    wrong = bool(chosen[part])
                    self.blocked |= not wrong
                    chosen[part] = {}
            gone = self._gone_after(chosen)
        return {key: name for moves in chosen.values() for key, name in moves.items()}

    def _pick(
        self,
        part: int,
        queue: Sequence[tuple[str, str]],
        here: Mapping[str, str],
        gone: Collection[str],
        taken: Counter[int],
    ) -> dict[str, str]:
        """Moves of a part, as many as budgets of pods allow: all of a list if that is legal, or of its halves, and so on."""
        keys = list(queue)
        if self.random is not None and part >= 0:
            keys = [keys[index] for index in self.random.permutation(len(keys))]
        move: dict[str, str] = {}
        tries = TRIES

        def take(some: Sequence[tuple[str, str]]) -> None:
            nonlocal tries
            tries -= 1
            if not some or tries < 0:
                return
            asked = taken.copy()
            more = {key: self.placements[key] for node, key in some if self._asks(node, key, asked)}
            if more and self._legal(part, here, move | more, gone):
                taken.update(asked - taken)
                move.update(more)
            elif more and len(some) > 1:
                take(some[: len(some) // 2])
                take(some[len(some) // 2 :])

        before = -1
        while len(move) > before:
            before = len(move)
            take([(node, key) for node, key in keys if key not in move])
        return move

    def _legal(self, part: int, here: Mapping[str, str], move: Mapping[str, str], gone: Collection[str]) -> bool:
        return self.states.legal(part, self.settled.get(part, {}), {**here, **move}, self.launched, gone)

    def _gone_after(self, chosen: Mapping[int, Mapping[str, str]]) -> set[str]:
        return self.gone.union(self._emptied({key for moves in chosen.values() for key in moves}))

    def _emptied(self, move: Collection[str]) -> list[str]:
        """Nodes of which all pods have moved by then."""
        return [node for node, pods in self.waiting.items() if all(pod in move for pod in pods)]

    def _take(self, moves: Collection[str], taken: Counter[int]) -> None:
        """Take moves that are decided on from budgets."""
        for key in moves:
            self._asks(self.of.pods[key].node, key, taken)

    def _asks(self, node: str, key: str, taken: Counter[int]) -> bool:
        """Whether budgets let one more pod go in this step; then it is `taken` from them."""
        pod = self.of.pods[key]
        asked = self.budgets.covering(pod) if _counts(pod) and node not in self.ends else ()
        if any(taken[id(budget)] >= self.budgets.allowed(budget) for budget in asked):
            return False
        taken.update(id(budget) for budget in asked)
        return True


def _counts(pod: cluster.Pod) -> bool:
    """Whether the eviction of a pod uses a budget up."""
    return pod_rules.is_active(pod) and pod_rules.is_evicted(pod) and pod.ready


def _timed(launch: Sequence[str], move: Mapping[str, str], delete: Sequence[str]) -> plans.Step:
    seconds = worth.STARTS_IN * bool(launch) + worth.DRAINS_IN * bool(move) + worth.GOES_IN * bool(delete)
    return plans.Step(tuple(launch), tuple(delete), dict(sorted(move.items())), seconds)
