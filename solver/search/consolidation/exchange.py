"""
Neighbourhoods over existing and new nodes together.

Take some nodes; draw at random which of the removable ones go; fill the room of those that stay and cover the rest by
new nodes, many times; then a small exact model picks for each existing node one filling or its removal, and the new nodes,
from all that were seen. What is there already is among the choices, so that nothing gets worse.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search.consolidation import removal
from solver.search.packing import existing, pack
from solver.search.packing import fill as fills

if TYPE_CHECKING:
    from solver.model.cp_sat import cp_model
    from solver.search.consolidation import consolidate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COPIES = 16
SECONDS = 0.12
IDLE_ROUNDS = 80
"""Rounds in a row without any saving after which more time will not pay."""
POLISH = 8
CLOSE = 1e-4
"""Distance to the relaxation, as a share of it, at which to stop."""
LIVE = 0.9
"""Share of the time that neighbourhoods may take; the rest is for taking back what does not pay, and the bound."""


def restored(problem: problems.Problem, of: problems.Solution, node: int) -> problems.Solution:
    """A solution in which a removed node stays after all: as many of its pods less on new nodes, and then elsewhere."""
    back = {c: len(each.residents[node]) for c, each in enumerate(problem.classes) if node in each.residents}
    new = []
    for offer, counts in sorted(of.new, key=lambda each: (sum(n for _, n in each[1]), each)):
        left = _less(counts, back)
        if left:
            new.append((offer, left))
    placed = {n: left for n, counts in sorted(of.placed.items()) if (left := _less(counts, back))}
    return problems.Solution(tuple(new), placed, of.removed - {node})


def _less(counts: problems.Counts, back: dict[int, int]) -> problems.Counts:
    """Counts without pods that go back; `back` is changed."""
    left = []
    for c, number in counts:
        take = min(number, back.get(c, 0))
        if take:
            back[c] -= take
        if number > take:
            left.append((c, number - take))
    return tuple(left)


def improve(work: consolidate.Consolidation, guide: tuple[removal.Relaxed, fields.Field] | None) -> None:
    """Rounds until the time is over or nothing changes any more."""
    started = work.budget.seconds()
    if guide is None or not len(guide[1].cost):
        work.greedily()
        work.phase("neighbourhoods", started)
        return
    ruled = bool(
        work.problem.spreads or work.problem.attractions or work.problem.exclusions or work.problem.common_domains
    )
    around = _Neighbourhoods(work, *guide, ruled=ruled)
    idle = 0
    near = guide[0].bound + max(work.settings.gap, CLOSE) * abs(guide[0].bound)
    while idle < IDLE_ROUNDS and not work.budget.over(LIVE) and work.value.cost > near:
        better = around.single() if ruled and around.rng.random() < 0.3 else around.round()
        idle = 0 if better else idle + 1
        work.budget.tick()
    work.phase("neighbourhoods", started)


@dataclasses.dataclass(slots=True)
class _Part:
    """Nodes taken together: existing ones (E,), rows of `Solution.new` with their kinds (M,), and offers by kind."""

    old: Ints
    new: list[int]
    kinds: list[int]
    zone: str | None


class _Neighbourhoods:
    def __init__(
        self, work: consolidate.Consolidation, relaxed: removal.Relaxed, field: fields.Field, *, ruled: bool
    ) -> None:
        self.work = work
        self.problem = work.narrow
        self.field = field
        self.ruled = ruled
        self.rng = np.random.default_rng(work.settings.seed)
        value = np.maximum(relaxed.value, 1e-6)
        kinds = np.flatnonzero(relaxed.nodes > 0.01)
        if not len(kinds):
            kinds = np.arange(len(field.cost))
        self.packer = pack.Packer(field, value, kinds, self.rng, work.settings.stop)
        self.value = self.packer.value
        self.kind_of = {int(offer): kind for kind, twins in enumerate(field.twins) for offer in twins}
        self.residents = work.problem.residents
        self.room = np.maximum(self.problem.node_room[:, field.resources], 0).astype(np.float64)
        self.saved = np.array([n.price - n.removal_cost for n in self.problem.nodes], dtype=np.float64)
        self.removable = np.array([n.removable for n in self.problem.nodes], dtype=bool)
        self.owners, self.members = existing.running(self.problem, field.host, np.arange(len(self.problem.nodes)))
        self.zones = sorted({n.zone for n in self.problem.nodes if n.removable})
        price = np.array([n.price for n in self.problem.nodes], dtype=np.float64)
        worth = self.residents @ self.value
        self.waste = np.where(self.removable, np.maximum(price - worth, 0) / np.maximum(price, 1), 0.3)
        self.useful = self.removable | (self.problem.node_ok.any(axis=0) & (self.room.sum(axis=1) > 0))

    # -- what to take ---------------------------------------------------------------------------

    def _choose(self) -> _Part:
        """Some nodes, the wasteful ones more often; of one zone where rules look at zones."""
        best = self.work.best
        zone = None
        if self.zones and (self.ruled or (len(self.zones) > 1 and self.rng.random() < 0.3)):
            zone = self.zones[int(self.rng.integers(len(self.zones)))]
        here = [
            n
            for n in np.flatnonzero(self.useful).tolist()
            if n not in best.removed and (zone is None or self.problem.nodes[n].zone == zone)
        ]
        key = np.log(self.rng.random(len(here))) / (self.waste[here] + 0.05)
        size = int(self.rng.integers(4, 13))
        old = np.array(here, dtype=np.int64)[np.argsort(-key)[:size]]
        rows = [
            i
            for i, (offer, _) in enumerate(best.new)
            if offer in self.kind_of and (zone is None or self.problem.offers[offer].zone == zone)
        ]
        if rows:
            cost = np.array([self.field.cost[self.kind_of[best.new[i][0]]] for i in rows])
            worth = np.array([sum(self.value[c] * n for c, n in best.new[i][1]) for i in rows])
            key = np.log(self.rng.random(len(rows))) / (np.maximum(cost - worth, 0) / cost + 0.02)
            rows = [rows[i] for i in np.argsort(-key)[: int(self.rng.integers(1, 7))]]
        return _Part(old, rows, [self.kind_of[best.new[i][0]] for i in rows], zone)

    # -- a round ---------------------------------------------------------------------------

    def single(self) -> bool:
        """One more node goes, under all rules at once."""
        best = self.work.best
        nodes = [n for n in np.flatnonzero(self.removable).tolist() if n not in best.removed]
        if not nodes:
            return False
        key = np.log(self.rng.random(len(nodes))) / (self.waste[nodes] + 0.05)
        return self.work.remove(nodes[int(key.argmax())])

    def round(self) -> bool:
        """Take a part apart and put it together again; whether that saved anything."""
        best = self.work.best
        part = self._choose()
        if not len(part.old) and not part.new:
            return False
        n_classes = len(self.problem.classes)
        current = np.zeros((len(part.old), n_classes), dtype=np.int64)
        for row, node in enumerate(part.old.tolist()):
            for c, number in best.placed.get(node, ()):
                current[row, c] = number
        bought = np.zeros((len(part.new), n_classes), dtype=np.int64)
        for row, index in enumerate(part.new):
            for c, number in best.new[index][1]:
                bought[row, c] = number
        base = current.sum(axis=0) + bought.sum(axis=0)
        fillings, kinds, rows = self._draw(part, base)
        for row in range(len(part.old)):
            fillings[row] = np.unique(
                np.concatenate([fillings[row], current[row][None], np.zeros((1, n_classes), np.int64)]), axis=0
            )
        if part.new:
            kinds = np.concatenate([kinds, np.array(part.kinds, dtype=np.int64)])
            rows = np.concatenate([rows, bought])
        table = np.unique(np.column_stack([kinds, rows]).astype(np.int64), axis=0)
        chosen = self._pick(part, base, current, fillings, table)
        if chosen is None:
            return False
        return self.work.offer(self._assemble(part, base, fillings, table, *chosen), "neighbourhoods")

    def _draw(self, part: _Part, base: Ints) -> tuple[list[Ints], Ints, Ints]:
        """Fillings of each existing node and new nodes with their kinds, from random covers."""
        n_classes = len(base)
        goes = self.rng.random((COPIES, len(part.old))) < self.rng.uniform(0.1, 0.9, size=(COPIES, 1))
        goes &= self.removable[part.old]
        pools = base + goes @ self.residents[part.old]
        classes = np.flatnonzero(pools.any(axis=0))
        left = pools.astype(np.float64)
        fillings: list[Ints] = [np.zeros((0, n_classes), dtype=np.int64) for _ in part.old]
        if len(classes):
            host = self.field.host.take(classes)
            used = self.field.host.owner[classes].any(axis=0)
            for row in self.rng.permutation(len(part.old)).tolist():
                copies = np.flatnonzero(~goes[:, row])
                if not len(copies):
                    continue
                node = int(part.old[row])
                many = (len(copies), 1)
                bins = fills.Bins(
                    room=np.tile(self.room[node], many),
                    requests=self.field.requests[None, classes],
                    available=np.where(self.problem.node_ok[classes, node], left[np.ix_(copies, classes)], 0.0),
                    host=fills.shared(
                        host, np.tile(self.owners[node, used], many), np.tile(self.members[node, used], many)
                    ),
                )
                if not bins.available.any():
                    continue
                found = fills.fill(bins, self.rng, greedy=True)
                found = fills.polish(bins, found, self.value[None, classes], POLISH)
                left[np.ix_(copies, classes)] -= found
                full = np.zeros((len(copies), n_classes), dtype=np.int64)
                full[:, classes] = found.astype(np.int64)
                fillings[row] = np.unique(full, axis=0)
        if not left.any():
            return fillings, np.zeros(0, np.int64), np.zeros((0, n_classes), np.int64)
        _, kinds, rows, _ = self.packer.cover_groups(left)
        self.packer.shrink(kinds, rows)
        if part.zone is not None:
            there = np.array([self._twin(int(k), part.zone) is not None for k in kinds], dtype=bool)
            kinds, rows = kinds[there], rows[there]
        return fillings, kinds, rows.astype(np.int64)

    def _twin(self, kind: int, zone: str | None) -> int | None:
        """An offer of a kind, in a zone if one is given; those of OVH pools that exist first."""
        exists = self.problem.pools.exists
        twins = [int(o) for o in self.field.twins[kind] if zone is None or self.problem.offers[int(o)].zone == zone]
        return min(twins, key=lambda o: (not exists[self.problem.offers[o].pool], o), default=None)

    def _pick(
        self, part: _Part, base: Ints, current: Ints, fillings: list[Ints], table: Ints
    ) -> tuple[list[int | None], list[int]] | None:
        """The best choice: a filling for each existing node, None where it goes, and how often each new node."""
        from solver.model.cp_sat import cp_model

        model = cp_model.CpModel()
        fill_vars: list[list[cp_model.IntVar]] = []
        gone: dict[int, cp_model.IntVar] = {}
        cover: list[list[tuple[cp_model.IntVar, int]]] = [[] for _ in base]
        for row, node in enumerate(part.old.tolist()):
            each = [model.new_bool_var("") for _ in fillings[row]]
            fill_vars.append(each)
            for p, c in zip(*(axis.tolist() for axis in np.nonzero(fillings[row])), strict=True):
                cover[c].append((each[p], int(fillings[row][p, c])))
            choices = list(each)
            if self.removable[node] and self.saved[node] > 0:
                gone[row] = model.new_bool_var("")
                choices.append(gone[row])
                for c in np.flatnonzero(self.residents[node]).tolist():
                    cover[c].append((gone[row], -int(self.residents[node, c])))
            model.add_exactly_one(choices)
        most = len(part.old) + len(part.new) + 3
        uses = [model.new_int_var(0, most, "") for _ in table]
        for p, c in zip(*(axis.tolist() for axis in np.nonzero(table[:, 1:])), strict=True):
            cover[c].append((uses[p], int(table[p, 1 + c])))
        for c, terms in enumerate(cover):
            if terms:
                model.add(sum(n * v for v, n in terms) >= int(base[c]))
        self._limit(model, part, gone, uses, table)
        costs = [int(self.field.cost[k]) for k in table[:, 0]] + [-int(self.saved[part.old[row]]) for row in gone]
        price = cp_model.LinearExpr.weighted_sum([*uses, *gone.values()], costs)
        before = int(sum(self.field.cost[k] for k in part.kinds))
        model.add(price <= before - 1)
        model.minimize(price)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.linearization_level = 2
        solver.parameters.catch_sigint_signal = False
        solver.parameters.random_seed = int(self.rng.integers(1 << 30))
        if self.work.settings.deterministic:
            solver.parameters.max_deterministic_time = SECONDS
        else:
            solver.parameters.max_time_in_seconds = SECONDS
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None
        chosen: list[int | None] = []
        for each in fill_vars:
            picked = [p for p, v in enumerate(each) if solver.value(v)]
            chosen.append(picked[0] if picked else None)
        return chosen, [solver.value(v) for v in uses]

    def _limit(
        self,
        model: cp_model.CpModel,
        part: _Part,
        gone: dict[int, cp_model.IntVar],
        uses: list[cp_model.IntVar],
        table: Ints,
    ) -> None:
        """What the rest of the solution leaves of limits on removals and on new nodes."""
        problem, best = self.work.problem, self.work.best
        removed = list(best.removed)
        rows = [(cap.room, cap.nodes.astype(np.int64)) for cap in problem.removal_caps]
        if problem.max_removals is not None:
            rows.append((problem.max_removals, np.ones(len(problem.nodes), dtype=np.int64)))
        if problem.max_evictions is not None:
            rows.append((problem.max_evictions, self.residents.sum(axis=1)))
        for most, weight in rows:
            terms = [int(weight[part.old[row]]) * v for row, v in gone.items()]
            if terms:
                model.add(sum(terms) <= int(max(0, most) - weight[removed].sum()))
        taken = set(part.new)
        rest = [offer for i, (offer, _) in enumerate(best.new) if i not in taken]
        for cap in problem.caps:
            per_kind = [int(cap.per_offer[twins].max()) for twins in self.field.twins]
            terms = [per_kind[k] * v for k, v in zip(table[:, 0].tolist(), uses, strict=True) if per_kind[k]]
            if terms:
                model.add(sum(terms) <= int(max(0, cap.room) - cap.per_offer[rest].sum()))

    def _assemble(
        self,
        part: _Part,
        base: Ints,
        fillings: list[Ints],
        table: Ints,
        chosen: list[int | None],
        times: list[int],
    ) -> problems.Solution:
        """The solution with the part put together anew; what was covered twice is left out."""
        best = self.work.best
        goes = [int(part.old[row]) for row, pick in enumerate(chosen) if pick is None]
        left = base + self.residents[goes].sum(axis=0)
        placed = {n: counts for n, counts in best.placed.items() if n not in set(part.old.tolist())}
        for row, pick in enumerate(chosen):
            if pick is not None:
                take = np.minimum(fillings[row][pick], left)
                left = left - take
                if take.any():
                    (placed[int(part.old[row])],) = pack.counts_of(take[None])
        kinds: list[int] = []
        rows: list[Ints] = []
        for pattern, number in zip(table, times, strict=True):
            for _ in range(number):
                take = np.minimum(pattern[1:], left)
                if take.any():
                    left = left - take
                    kinds.append(int(pattern[0]))
                    rows.append(take)
        new = [each for i, each in enumerate(best.new) if i not in set(part.new)]
        if rows:
            kind, counts = np.array(kinds, dtype=np.int64), np.stack(rows).astype(np.int32)
            self.packer.shrink(kind, counts)
            for k, held in zip(kind.tolist(), pack.counts_of(counts), strict=True):
                offer = self._twin(k, part.zone)
                new.append((offer if offer is not None else int(self.field.twins[k][0]), held))
        return problems.Solution(tuple(new), placed, best.removed | frozenset(goes))
