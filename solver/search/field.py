"""
The packing field: the part of a problem that vectorised packing works on, as float arrays.

A field holds the classes, the kinds of new node ("bins") and the rules inside one node. Offers that no rule tells apart
(the same room, price and masks, in another zone, say) are one bin kind. Amounts are whole numbers held as floats, so
that sums and comparisons are exact.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNLIMITED = 1 << 40


FREE = 1e-6
"""
Micro-euro per hour that a node costs at the least: what pods are worth is held against the price of a node again and again. A
thousand nodes that cost nothing are together far from the one micro-euro that a bound is rounded up by.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class HostRules:
    """
    Rules between pods of one node, S of them: hard host-level spread and exclusions (anti-affinity, host ports).

    A class that owns rule s may join a node while the count of the rule's members there is at most `owner_cap` (C, S);
    a member may join a node that holds an owner while that count is at most `member_cap` (S,). Rules that hold in every
    plan are `firm` (S,); a host-level spread is looser once every node holds some of its pods. Rules that are no
    spread are `exclusive` (S,).
    """

    owner: Mask
    member: Mask
    owner_cap: Ints
    member_cap: Ints
    firm: Mask
    exclusive: Mask

    def of(self, classes: Ints) -> HostRules:
        """The same rules for the given classes only."""
        return dataclasses.replace(
            self, owner=self.owner[classes], member=self.member[classes], owner_cap=self.owner_cap[classes]
        )

    def only(self, rules: Mask) -> HostRules:
        """Only some of the rules (S,)."""
        return HostRules(
            self.owner[:, rules],
            self.member[:, rules],
            self.owner_cap[:, rules],
            self.member_cap[rules],
            self.firm[rules],
            self.exclusive[rules],
        )

    def take(self, classes: Ints) -> HostRules:
        """The same rules for the given classes only (rules that no longer bind anything are dropped)."""
        return self.of(classes).only(np.asarray(self.owner[classes].any(axis=0)))

    @property
    def simple(self) -> bool:
        """Whether every rule says that of some classes one pod at most is on a node, in every plan."""
        return bool(self.firm.all() and self.exclusive.all() and (self.owner == self.member).all())

    def crowded(self) -> Mask:
        """
        (C,) classes of the one rule that keeps pods of several classes apart; empty (0,) where rules are not `simple` or
        there are several such rules. Where a rule keeps pods of one class apart, capacity alone says so.
        """
        wide = np.flatnonzero(self.owner.sum(axis=0) > 1)
        if not self.simple or len(wide) > 1:
            return np.zeros(0, dtype=bool)
        return np.asarray(self.owner[:, wide].any(axis=1))

    def between(self) -> HostRules:
        """Without the rules that bind the pods of one class alone: `alone` says the same."""
        return self.only(~self._single())

    def alone(self) -> Ints:
        """(C,) the most pods of a class on a node that rules for this class alone allow."""
        most = np.full(len(self.owner), UNLIMITED)
        for rule in np.flatnonzero(self._single()):
            most[self.owner[:, rule]] = np.minimum(most[self.owner[:, rule]], max(1, int(self.member_cap[rule]) + 1))
        return most

    def _single(self) -> Mask:
        return np.asarray((self.owner.sum(axis=0) == 1) & (self.owner == self.member).all(axis=0))

    @property
    def empty(self) -> bool:
        """Whether no rule is left."""
        return bool(self.owner.shape[1] == 0)


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """
    Classes (C), bin kinds (K), resources (R): `requests` (C, R), `room` (K, R), `ok` (C, K), `cost` (K,) micro-euro per
    hour with the node charge. `twins` lists, kind by kind, the offers that it stands for; `resources` (R,) are those of
    the problem that some class asks for.
    """

    requests: Floats
    room: Floats
    ok: Mask
    cost: Floats
    twins: tuple[Ints, ...]
    resources: Ints
    host: HostRules


def host_rules(problem: problems.Problem) -> HostRules:
    """
    Compile the rules between pods of one node; soft ones (policy Respect) are taken as hard wherever they can be kept.
    """
    owners, members, owner_caps, member_caps, firm, exclusive = [], [], [], [], [], []
    for exclusion in problem.exclusions:
        if exclusion.topology == problems.HOST and exclusion.owners.any():
            owners.append(exclusion.owners)
            members.append(exclusion.targets.members)
            owner_caps.append(np.zeros(len(problem.classes), dtype=np.int64))
            member_caps.append(-1)
            firm.append(exclusion.weight is None)
            exclusive.append(True)
    for spread in problem.spreads:
        if spread.topology == problems.HOST and spread.owners.any():
            owners.append(spread.owners)
            members.append(spread.group.members)
            owner_caps.append(spread.max_skew - spread.group.members.astype(np.int64))
            member_caps.append(spread.max_skew - 1)
            firm.append(False)
            exclusive.append(False)
    if not owners:
        none = np.zeros((len(problem.classes), 0), dtype=bool)
        no_rule = np.zeros(0, dtype=bool)
        return HostRules(none, none, none.astype(np.int64), np.zeros(0, dtype=np.int64), no_rule, no_rule)
    return HostRules(
        np.stack(owners, axis=1),
        np.stack(members, axis=1),
        np.stack(owner_caps, axis=1),
        np.array(member_caps, dtype=np.int64),
        np.array(firm, dtype=bool),
        np.array(exclusive, dtype=bool),
    )


def make(problem: problems.Problem, offers: Ints, classes: Mask) -> Field:
    """
    Build the field of some offers.

    Parameters
    ----------
    problem: the whole problem.
    offers: indices of the offers that may be used.
    classes: (C,) classes that may be placed; the others get an all-false row.
    """
    requests = problem.requests.astype(np.float64)
    room = problem.offer_room[offers].astype(np.float64)
    ok = problem.offer_ok[:, offers] & classes[:, None]
    fits = (problem.requests[:, None, :] <= problem.offer_room[None, offers, :]).all(axis=2)
    ok &= fits
    cost = np.maximum(problem.prices[offers].astype(np.float64) + problem.node_charge, FREE)
    useful = ok.any(axis=0)
    offers, room, ok, cost = offers[useful], room[useful], ok[:, useful], cost[useful]
    caps = [c.per_offer[offers] for c in problem.caps]
    signature = np.concatenate(
        [
            room,
            cost[:, None],
            np.stack(caps, axis=1) if caps else np.zeros((len(offers), 0)),
            np.packbits(ok, axis=0).T,
        ],
        axis=1,
    )
    _, first, inverse = np.unique(signature, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    twins = tuple(offers[np.flatnonzero(inverse.ravel() == kind)] for kind in order)
    first = first[order]
    used = [r for r in range(requests.shape[1]) if requests[classes][:, r].any()]
    return Field(
        requests=requests[:, used],
        room=room[first][:, used],
        ok=ok[:, first],
        cost=cost[first],
        twins=twins,
        resources=np.array(used, dtype=np.int64),
        host=host_rules(problem),
    )


def capacity(field: Field) -> Ints:
    """(C, K) pods of one class alone that a node of each kind holds, host rules included."""
    most = np.full(field.ok.shape, 1 << 30, dtype=np.float64)
    for r in range(field.room.shape[1]):
        need = field.requests[:, r][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(
                need > 0, np.minimum(most, np.floor(field.room[:, r][None, :] / np.maximum(need, 1e-12))), most
            )
    both = field.host.owner & field.host.member
    for rule in range(both.shape[1]):
        most[both[:, rule]] = np.minimum(most[both[:, rule]], max(1, int(field.host.member_cap[rule]) + 1))
    return np.where(field.ok, most, 0).astype(np.int64)


def scarcest(field: Field, counts: Ints) -> Ints:
    """
    The two resources (or the only one) of which the pods would fill most nodes, in the mean over kinds. Not against the
    largest rooms: a node has 110 places for pods whatever its size, which is little next to the memory of a large one.
    """
    nodes = counts @ field.requests / np.maximum(field.room, 1e-9)
    asked = (nodes / np.maximum(nodes.max(axis=1, initial=0.0), 1e-9)[:, None]).sum(axis=0)
    return np.asarray(np.argsort(-asked, kind="stable")[:2])
