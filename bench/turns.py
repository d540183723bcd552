"""
In which turns kube-scheduler could bind the pods of a plan, each where the plan has it.

A plan may break topology spreads in the end and still come about: a spread is asked of the pods that carry it when they
are bound, and pods that it merely counts may come later (docs/adr/0004-final-state-and-order.md). The checker takes such
a plan when its `steps` say the turns. Here they are looked for: pods whose spread is broken in the end come as early as
may be, the others help where a smallest domain has to grow, and come last otherwise. Pods for which no turn comes are
left over. Whether the turns are right is for the checker to say.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools

from catalog import catalogue as catalogues
from catalog import labels
from solver import cluster, options
from solver import plan as plans
from solver.check import build, facts, order, spread, state

Domain = tuple[spread.Tally, str]


def in_turns(
    of: cluster.Cluster, known: catalogues.Catalogue, asked: options.Options, answer: plans.Plan
) -> tuple[plans.Plan, list[str]]:
    """
    A plan with turns, not checked yet, and the pods for which no turn comes; these are left out of the turns and still in
    the plan, which can hold only when there are none.
    """
    gathered = facts.gather(of, known, answer, asked)
    now = build.final(gathered, build.Builder.of(gathered))
    search = _Search(now)
    search.run()
    of_item = {
        item: iter([key for place in item.places for key in now.pods(item.owner, place)]) for item in search.everybody
    }
    steps: list[plans.Step] = []
    for turn in search.turns:
        move = {key: answer.placements[key] for item, many in turn for key in itertools.islice(of_item[item], many)}
        launch = () if steps else tuple(new.name for new in answer.create)
        steps.append(plans.Step(launch, (), move, 0))
    left = [key for keys in of_item.values() for key in keys]
    return dataclasses.replace(answer, steps=tuple(steps)), left


class _Search:
    """
    One pod after the other, as kube-scheduler would let them. `turns` has what was placed, items and how many of each; a
    turn ends where one pod more would break the spread of another one in it.
    """

    def __init__(self, now: state.State) -> None:
        stage, ended = _stage(now), _stage(now)
        for item in ended.items + ended.free:
            item.put(item.left)
        broken = [ended.is_skewed(item) for item in ended.items]
        self.everybody = stage.items + stage.free
        self.urgent = dict.fromkeys(itertools.compress(stage.items, broken))
        self.others = [item for item in self.everybody if item not in self.urgent]
        self.turns: list[list[tuple[order.Item, int]]] = [[]]
        self._standing: dict[Domain, set[spread.Constraint]] = {}
        self._waiting: dict[Domain, int] = collections.Counter()
        for item in self.urgent:
            for _, tally, domain in item.limits:
                self._waiting[tally, domain] += item.left

    def run(self) -> None:
        """Place the urgent ones with what they need, then all others in any order that works."""
        while self.urgent and (chosen := self._next()) is not None:
            self._put(chosen, 1)
        left = [*self.urgent, *self.others]
        progress = True
        while progress:
            progress = False
            for item in left:
                if (many := item.legal()) > 0:
                    self._put(item, many)
                    progress = True
            left = [item for item in left if item.left]

    def _next(self) -> order.Item | None:
        """
        Whose pod comes next: of those that spoil the fewest domains for urgent ones, an urgent one in the emptiest domain,
        then another one that lets a smallest domain grow for which urgent ones wait.
        """
        legal = [item for item in self.urgent if item.legal() > 0]
        urgent = min(legal, key=lambda item: (self._spoils(item), item.level()), default=None)
        if urgent is not None and not self._spoils(urgent):
            return urgent
        short = {tally for item in legal for tally, _ in item.tallies}
        for item in self.urgent:
            short |= {tally for limit, tally, domain in item.limits if limit.room(tally, domain) < limit.matches_self}
        helpful = (
            item
            for item in self.others
            if any(t in short and t.key != labels.HOSTNAME and t[domain] == t.lowest for t, domain in item.tallies)
            and item.legal() > 0
        )
        other = min(helpful, key=self._spoils, default=None)
        if other is None or (urgent is not None and self._spoils(urgent) <= self._spoils(other)):
            return urgent
        return other

    def _spoils(self, item: order.Item) -> int:
        """In how many domains urgent pods wait that may find no room when this one is there before them."""
        return sum(t[domain] > t.lowest and self._waiting[t, domain] > 0 for t, domain in item.tallies)

    def _put(self, item: order.Item, many: int) -> None:
        item.put(many)
        if any(limit.room(*each) < 0 for each in item.tallies for limit in self._standing.get(each, ())):
            self.turns.append([])
            self._standing.clear()
        self.turns[-1].append((item, many))
        for limit, tally, domain in item.limits:
            self._standing.setdefault((tally, domain), set()).add(limit)
            if item in self.urgent:
                self._waiting[tally, domain] -= many
        if not item.left:
            self.urgent.pop(item, None)
            self.others = [each for each in self.others if each is not item]


def _stage(now: state.State) -> order.Stage:
    carriers = [each for each in now.planned if each.spec.affinity or any(s.hard for s in each.spec.spread)]
    return order.Stage(now, carriers)
