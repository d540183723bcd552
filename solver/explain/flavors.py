"""
Why no flavor of a NodePool takes a pod: in upstream's words, and for want of resources what is short and by how much.

Upstream asks every flavor three questions (labels, room, offering) and says which of them no flavor answers well, or
which pair is never answered well together with the third. Source: karpenter core,
`pkg/controllers/provisioning/scheduling/nodeclaim.go` (`filterInstanceTypesByRequirements`).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Mapping
from fractions import Fraction

from catalog import allocatable
from crds import quantity
from solver import build as builds
from solver import problem
from solver.rules import node_affinity, resources

LABELS, ROOM, OFFERING = "labels", "room", "offering"
ALL = frozenset({LABELS, ROOM, OFFERING})

NEVER = {
    ALL: "no instance type met the scheduling requirements or had enough resources or had a required offering",
    frozenset({LABELS, ROOM}): "no instance type met the scheduling requirements or had enough resources",
    frozenset({LABELS, OFFERING}): "no instance type met the scheduling requirements or had a required offering",
    frozenset({ROOM, OFFERING}): "no instance type had enough resources or had a required offering",
    frozenset({LABELS}): "no instance type met all requirements",
    frozenset({ROOM}): "no instance type has enough resources",
    frozenset({OFFERING}): node_affinity.NO_OFFERING,
}
"""Said when no flavor answers these well."""

ALL_BUT = {
    OFFERING: "no instance type which met the scheduling requirements and had enough resources, had a required offering",
    LABELS: "no instance type which had enough resources and the required offering met the scheduling requirements",
    ROOM: "no instance type which met the scheduling requirements and the required offering had the required resources",
}
"""Said when some flavor answers all but this well, in this order."""

NEITHER = "no instance type met the requirements/resources/offering tuple"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What one offer is to one pod: which questions it answers well, and how much an empty node of it lacks."""

    offer: problem.Offer
    well: frozenset[str]
    short: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Why:
    """Upstream's words; and where room is short, the offer that comes nearest, and by how much it is."""

    words: str
    nearest: str = ""
    lack: Fraction = Fraction(0)

    @property
    def text(self) -> str:
        """Both, as people read them."""
        return f"{self.words}: {self.nearest}" if self.nearest else self.words


def why(build: builds.Build, pod_class: int, offers: Collection[int]) -> Why:
    """Why none of these offers of one NodePool takes a class, where each is refused for its labels or its room."""
    answers = _answers(build, pod_class, offers)
    flavors: dict[str, frozenset[str]] = defaultdict(frozenset)
    for each in answers:
        flavors[each.offer.flavor] |= each.well
    never = ALL.difference(*flavors.values())
    if never == {ROOM} and resources.slip(build.context.classes[pod_class]):
        return Why(NEVER[never] + resources.SLIP)
    together = (text for but, text in ALL_BUT.items() if ALL - {but} in flavors.values())
    words = NEVER[never] if never else next(together, NEITHER)
    short = [each for each in answers if each.short]
    right = [each for each in short if {LABELS, OFFERING} <= each.well]
    if not right and ROOM not in never:
        return Why(words)
    return _nearest(words, _asked(build, pod_class), right or short)


def _answers(build: builds.Build, pod_class: int, offers: Collection[int]) -> list[Answer]:
    nodes = len(build.context.places)
    own, offering = node_affinity.suits(build.context, pod_class)
    asked = _asked(build, pod_class)
    result = []
    for index in offers:
        offer = build.problem.offers[index]
        lacking = _lacking(asked, offer)
        questions = ((LABELS, own[nodes + index]), (ROOM, not lacking), (OFFERING, offering[nodes + index]))
        result.append(Answer(offer, frozenset(name for name, well in questions if well), lacking))
    return result


def _asked(build: builds.Build, pod_class: int) -> dict[str, int]:
    """What one pod takes, one of `pods` included."""
    return {**dict(build.spec(pod_class).requests), allocatable.PODS: 1}


def _lacking(asked: Mapping[str, int], offer: problem.Offer) -> dict[str, int]:
    """How much of each resource an empty node lacks for the pod beside its DaemonSets."""
    total = {
        name: asked.get(name, 0) + offer.daemon_requests.get(name, 0) for name in {**asked, **offer.daemon_requests}
    }
    return {name: lack for name, most in total.items() if (lack := most - offer.allocatable.get(name, 0)) > 0}


def _nearest(words: str, asked: Mapping[str, int], short: Collection[Answer]) -> Why:
    """Of some offers the one that lacks least, each resource as a share of what its node is asked for, and what it is."""

    def lack(each: Answer) -> Fraction:
        shares = (Fraction(lack, lack + each.offer.allocatable.get(name, 0)) for name, lack in each.short.items())
        return sum(shares, Fraction(0))

    best = min(short, key=lambda each: (lack(each), each.offer.price))
    lacking = [_words(name, missing, asked.get(name, 0), best.offer) for name, missing in best.short.items()]
    text = f"nearest is {best.offer.flavor} in {best.offer.zone}, short of {' and '.join(lacking)}"
    return Why(words, text, lack(best))


def _words(name: str, lack: int, asked: int, offer: problem.Offer) -> str:
    """`cpu 4410m (asked 8, DaemonSets 250m, allocatable 3840m)`."""
    parts = [f"asked {_amount(name, asked)}"] if asked else []
    if daemons := offer.daemon_requests.get(name, 0):
        parts.append(f"DaemonSets {_amount(name, daemons)}")
    there = offer.allocatable.get(name, 0)
    parts.append(f"allocatable {_amount(name, there)}" if there else "it has none")
    return f"{name} {_amount(name, lack)} ({', '.join(parts)})"


def _amount(name: str, amount: int) -> str:
    """A quantity for people: bytes in whole Mi, rounded up."""
    whole = -(-amount // allocatable.MIB) * allocatable.MIB if quantity.in_bytes(name) else amount
    return quantity.format_units(name, whole)
