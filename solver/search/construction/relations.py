"""Relations between pods: who must not share a domain, who must or wants to, and who follow one another into one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search.construction import tallies

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class _Relation:
    """Per domain planned owners that are no targets (`only`), those that are (`both`), and all `targets`."""

    def __init__(self, topology_slots: tallies.Slots, owners: Mask, targets: problems.Group, stays: Mask) -> None:
        self.slots = topology_slots
        self.owners = owners
        self.members = targets.members
        self.concerns = owners | targets.members
        self.only = np.zeros(topology_slots.size, dtype=np.int64)
        self.both = np.zeros(topology_slots.size, dtype=np.int64)
        self.targets = topology_slots.tally(targets.base, stays)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Count pods by their role."""
        if self.owners[pod_class]:
            self.slots.add(self.both if self.members[pod_class] else self.only, places, pods)
        if self.members[pod_class]:
            self.slots.add(self.targets, places, pods)

    def counts(self, slots: Ints, pod_class: int | None = None) -> tuple[Ints, Ints, Ints]:
        """The three numbers at these entries, with one more pod of a class if it is given."""
        owner = pod_class is not None and bool(self.owners[pod_class])
        target = pod_class is not None and bool(self.members[pod_class])
        return (
            self.only[slots] + (owner and not target),
            self.both[slots] + (owner and target),
            self.targets[slots] + target,
        )


class ExclusionRule(_Relation):
    """`problem.Exclusion`; domains are `guarded` where an owner runs."""

    def __init__(self, exclusion: problems.Exclusion, slots: tallies.Slots, stays: Mask) -> None:
        super().__init__(slots, exclusion.owners, exclusion.targets, stays)
        self.weight = exclusion.weight
        self.guarded = slots.tally(exclusion.owner_base, stays) > 0

    def look(self, pod_class: int, reach: tallies.Reach) -> None:
        """Keep owners and targets apart, or charge for owners that come to have another target around."""
        slots = self.slots.of(reach)
        target, owner = bool(self.members[pod_class]), bool(self.owners[pod_class])
        after = _excluded(*self.counts(slots, pod_class))
        if self.weight is None:
            free = (after == 0) & ~(self.guarded[slots] & target)
            limit = np.where(free, 1 if owner and target else tallies.UNLIMITED, 0)
        else:
            cost = self.weight * (after - _excluded(*self.counts(slots)))
            reach.unmet += np.where(slots == self.slots.none, 0, cost)
            limit = np.where((self.targets[slots] < 2) & target, 1, tallies.UNLIMITED)
        limit[slots == self.slots.none] = tallies.UNLIMITED
        reach.restrict(limit, None if self.slots.host else slots)


class CompanyRule(_Relation):
    """A soft `problem.Attraction`."""

    def __init__(self, attraction: problems.Attraction, slots: tallies.Slots, stays: Mask) -> None:
        super().__init__(slots, attraction.owners, attraction.targets, stays)
        assert attraction.weight is not None
        self.weight = attraction.weight

    def look(self, pod_class: int, reach: tallies.Reach) -> None:
        """Charge for owners without company; a target may end the loneliness of others."""
        slots = self.slots.of(reach)
        reach.unmet += self.weight * (_lonely(*self.counts(slots, pod_class)) - _lonely(*self.counts(slots)))
        if self.members[pod_class]:
            limit = np.where((self.targets[slots] >= 2) | (slots == self.slots.none), tallies.UNLIMITED, 1)
            reach.restrict(limit, None if self.slots.host else slots)


class AttractionRule:
    """
    A hard `problem.Attraction`: targets per domain of each topology.

    `bare`: no target runs, so an order of placement may be chosen in which an opener comes first. While `lifted` a class may
    open a domain although targets are planned.
    """

    def __init__(self, attraction: problems.Attraction, slots: Sequence[tallies.Slots], stays: Mask) -> None:
        self.owners = attraction.owners
        self.members = attraction.targets.members
        self.concerns = attraction.owners | self.members
        self.opens = attraction.owners & self.members & attraction.bootstrap
        self.slots = slots
        self.targets = [s.tally(attraction.targets.base, stays) for s in slots]
        self.bare = not self.anywhere()
        self.lifted = False

    def anywhere(self) -> bool:
        """Whether there is any target."""
        return any(bool(t.any()) for t in self.targets)

    def look(self, pod_class: int, reach: tallies.Reach) -> None:
        """Owners go where targets are; the first may open a domain, and all others then go there."""
        if not self.owners[pod_class]:
            return
        opening = self.lifted or (bool(self.opens[pod_class]) and not self.anywhere())
        for slots, targets in zip(self.slots, self.targets, strict=True):
            entry = slots.of(reach)
            reach.forbid((entry == slots.none) if opening else (targets[entry] == 0))
            if opening:
                reach.settle(entry, host=slots.host)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Count targets."""
        if self.members[pod_class]:
            for slots, targets in zip(self.slots, self.targets, strict=True):
                slots.add(targets, places, pods)


class CommonRule:
    """`problem.CommonDomain`: the `entry` where its pods are, once one is placed."""

    def __init__(self, common: problems.CommonDomain, slots: tallies.Slots) -> None:
        self.concerns = common.members
        self.slots = slots
        self.entry: int | None = None

    def look(self, pod_class: int, reach: tallies.Reach) -> None:
        """Pods follow the first, which needs the label."""
        slots = self.slots.of(reach)
        if self.entry is not None:
            reach.forbid(slots != self.entry)
        else:
            reach.forbid(slots == self.slots.none)
            reach.settle(slots, host=self.slots.host)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Remember where."""
        self.entry = int(self.slots.place[places[0]])


def _excluded(only: Ints, both: Ints, targets: Ints) -> Ints:
    """Owners with another target around."""
    return np.where(targets >= 1, only, 0) + np.where(targets >= 2, both, 0)


def _lonely(only: Ints, both: Ints, targets: Ints) -> Ints:
    """Owners without another target around."""
    return np.where(targets == 0, only, 0) + np.where(targets <= 1, both, 0)
