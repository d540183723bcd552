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
TRIES = 400
"""Sets of moves that are tried for one order."""


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
    stuck: frozenset[str] = frozenset()
    arriving = {key: name for key, name in placements.items() if key not in leaving}
    for stages in ways:
        for attempt in range(ORDERS):
            walk = _Walk(of, placements, arriving, on_its_way, new, _ending(of, delete), attempt)
            found = [step for stage in stages for step in walk.steps(stage)]
            if not walk.blocked:
                return Ordered(tuple(found))
            stuck = stuck or frozenset(walk.waiting)
    return Ordered((), stuck or frozenset(gone.node for gone in delete))


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
        self.settled: dict[str, str] = {}
        self.launched: set[str] = set()
        self.gone: set[str] = set()
        self.waiting: dict[str, list[str]] = {}
        self.blocked = False
        self.tries = TRIES

    def steps(self, stage: _Stage) -> Iterator[plans.Step]:
        """The stage in as few steps as budgets of pods and the rules allow."""
        self.waiting = waiting = {
            gone.node: [pod for pod in gone.pods if pod in self.placements] for gone in stage.gone
        }
        launch = stage.launch
        while (waiting or launch) and not self.blocked:
            self.launched.update(launch)
            here = {
                key: name
                for key, name in self.arriving.items()
                if key not in self.settled and (name in self.launched or name not in self.new)
            }
            move = self._all(waiting)
            if not self._legal(waiting, here, move):
                move = self._some(waiting, here)
            deleted = _emptied(waiting, move)
            if not (move or deleted or launch) or not self._legal(waiting, here, move):
                self.blocked = True
                return
            self.settled |= here | move
            self.gone.update(deleted)
            self.waiting = waiting = {
                node: [pod for pod in pods if pod not in move] for node, pods in waiting.items() if node not in deleted
            }
            yield _timed(launch, move, deleted)
            launch = []

    def _legal(self, waiting: Mapping[str, Sequence[str]], here: Mapping[str, str], move: Mapping[str, str]) -> bool:
        gone = self.gone.union(_emptied(waiting, move))
        return self.states.legal(self.settled, {**here, **move}, self.launched, gone)

    def _all(self, waiting: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """As many moves as budgets of pods allow at once."""
        taken: Counter[int] = Counter()
        return {
            key: self.placements[key] for node, pods in waiting.items() for key in pods if self._asks(node, key, taken)
        }

    def _some(self, waiting: Mapping[str, Sequence[str]], here: Mapping[str, str]) -> dict[str, str]:
        """Moves taken as long as what they leave is legal: all of a list, or of its halves, and so on."""
        keys = [(node, key) for node, pods in waiting.items() for key in pods]
        if self.random is not None:
            keys = [keys[index] for index in self.random.permutation(len(keys))]
        taken: Counter[int] = Counter()
        move: dict[str, str] = {}

        def take(part: Sequence[tuple[str, str]]) -> None:
            nonlocal taken
            if not part or self.tries < 1:
                return
            self.tries -= 1
            asked = taken.copy()
            more = {key: self.placements[key] for node, key in part if self._asks(node, key, asked)}
            if more and self._legal(waiting, here, move | more):
                taken = asked
                move.update(more)
            elif len(part) > 1:
                take(part[: len(part) // 2])
                take(part[len(part) // 2 :])

        before = -1
        while len(move) > before:
            before = len(move)
            take([(node, key) for node, key in keys if key not in move])
        return move

    def _asks(self, node: str, key: str, taken: Counter[int]) -> bool:
        """Whether budgets let one more pod go in this step; then it is `taken` from them."""
        pod = self.of.pods[key]
        asked = self.budgets.covering(pod) if _counts(pod) and node not in self.ends else ()
        if any(taken[id(budget)] >= self.budgets.allowed(budget) for budget in asked):
            return False
        taken.update(id(budget) for budget in asked)
        return True


def _emptied(waiting: Mapping[str, Sequence[str]], move: Collection[str]) -> list[str]:
    """Nodes of which all pods have moved by then."""
    return [node for node, pods in waiting.items() if all(pod in move for pod in pods)]


def _counts(pod: cluster.Pod) -> bool:
    """Whether the eviction of a pod uses a budget up."""
    return pod_rules.is_active(pod) and pod_rules.is_evicted(pod) and pod.ready


def _timed(launch: Sequence[str], move: Mapping[str, str], delete: Sequence[str]) -> plans.Step:
    seconds = worth.STARTS_IN * bool(launch) + worth.DRAINS_IN * bool(move) + worth.GOES_IN * bool(delete)
    return plans.Step(tuple(launch), tuple(delete), dict(sorted(move.items())), seconds)
