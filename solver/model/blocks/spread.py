"""Topology spread: counts above the smallest count + max skew are forbidden, or cost their weight."""

from __future__ import annotations

from solver.model.cp_sat import cp_model
from solver.model.variables import Place, Sum, Variables
from solver.problem import HOST, Problem, Spread


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """For each spread: smallest <= every count that counts; count <= smallest + max skew where planned owners are."""
    for spread in problem.spreads:
        _Builder(model, variables, spread).build()


class _Builder:
    """Adds one spread. All places of a domain and those that count among them are looked up once."""

    def __init__(self, model: cp_model.CpModel, variables: Variables, spread: Spread) -> None:
        self.model, self.variables, self.spread = model, variables, spread
        self.domains = {d: places for d, places in variables.domains(spread.topology).items() if d >= 0}
        self.counted = {
            d: [p for p in places if variables.attribute(p, spread.node_counted, spread.offer_counted)]
            for d, places in self.domains.items()
        }
        if spread.topology != HOST:
            for d in range(len(spread.always)):
                self.domains.setdefault(d, [])
                self.counted.setdefault(d, [])
        self.count = {d: self._count(places) for d, places in self.counted.items()}

    def build(self) -> None:
        owned = [d for d, places in self.domains.items() if self.variables.planned(self.spread.owners, places).upper]
        if any(self._excess_possible(d) for d in owned):
            smallest = self._smallest()
            for d in owned:
                self._bound(d, smallest)

    def _count(self, places: list[Place]) -> Sum:
        total = self.variables.planned(self.spread.group.members, places)
        total.add_sum(self.variables.running(self.spread.group.base, places))
        return total

    def _excess_possible(self, domain: int) -> bool:
        return self.count[domain].upper > self.spread.max_skew

    def _always(self, domain: int) -> bool:
        """Whether the domain counts whatever the plan does."""
        listed = self.spread.topology != HOST and bool(self.spread.always[domain])
        return listed or any(place.present is None for place in self.counted[domain])

    def _smallest(self) -> cp_model.IntVar:
        """A variable that is at most the smallest count."""
        certain = [d for d in self.count if self._always(d)]
        highest = max(total.upper for total in self.count.values())
        most = min([highest, *(self.count[d].upper for d in certain)])
        smallest = self.model.new_int_var(0, most, f"smallest[{self.spread.name}]")
        for d, places in self.counted.items():
            if d in certain:
                self.model.add(smallest <= self.count[d].expr)
                continue
            for place in places:
                assert place.present is not None
                self.model.add(smallest <= self.count[d].expr + most * (1 - place.present))
        self._ask_domains(smallest, most, len(certain))
        return smallest

    def _ask_domains(self, smallest: cp_model.IntVar, most: int, certain: int) -> None:
        """The smallest count is 0 while fewer than `min_domains` domains count."""
        minimum = self.spread.min_domains or 1
        if certain >= minimum or not most:
            return
        there = []
        for d, places in self.counted.items():
            if places and not self._always(d):
                literal = self.model.new_bool_var(f"counts[{self.spread.name},{d}]")
                self.model.add_bool_or([~literal, *(p.present for p in places if p.present is not None)])
                there.append(literal)
        enough = self.model.new_bool_var(f"enough[{self.spread.name}]")
        self.model.add(sum(there) + certain >= minimum * enough)
        self.model.add(smallest <= most * enough)

    def _bound(self, domain: int, smallest: cp_model.IntVar) -> None:
        if not self._excess_possible(domain):
            return
        spread, count = self.spread, self.count[domain]
        allowed = smallest + spread.max_skew
        if not self._holds_without_owners(domain):
            owned = self.variables.some(spread.owners, self.domains[domain])
            assert owned is not None
            allowed += (count.upper - spread.max_skew) * (1 - owned)
        if spread.weight is None:
            self.model.add(count.expr <= allowed)
            return
        most = count.upper - spread.max_skew
        excess = self.model.new_int_var(0, most, f"excess[{spread.name},{domain}]")
        self.model.add(count.expr <= allowed + excess)
        self.variables.unmet.add(excess, spread.weight, most)

    def _holds_without_owners(self, domain: int) -> bool:
        """Whether a domain without planned owners cannot be above the skew anyway."""
        others = self.spread.group.members & ~self.spread.owners
        counted = self.counted[domain]
        running = self.variables.running(self.spread.group.base, counted).upper
        return self.variables.planned(others, counted).upper + running <= self.spread.max_skew
