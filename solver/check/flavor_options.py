"""
The flavors that a new node lists for when its own is out of stock.

They are sorted by price, the node's own flavor is among them, and each can be bought in its zone and holds its pods.
Lists recur from node to node: each is looked at once, and a node is compared with the smallest room of its list.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping

from solver import plan
from solver.check import daemons, market, pools, state

RULE = "flavor-options"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """
    A list of flavors in a zone for nodes with the same `custom` labels.

    `wrong` says what is wrong with the list whatever the pods are, with the flavor that cannot be bought if one
    cannot, `rooms` what each flavor has left for pods, `least` the smallest of these by resource.
    """

    offers: tuple[market.Offer, ...]
    custom: Mapping[str, str]
    wrong: tuple[tuple[str, str], ...]
    rooms: tuple[Mapping[str, int], ...]
    least: Mapping[str, int]
    suits: dict[int, str | None] = dataclasses.field(default_factory=dict)


def violations(now: state.State) -> Iterator[plan.Violation]:
    """New nodes that list a flavor which would not do."""
    known: dict[tuple[object, ...], Choice] = {}
    for new in now.known.answer.create:
        pool = now.known.node_pools.get(new.node_pool)
        if pool is None:
            continue
        custom = {key: new.labels[key] for key in pool.open_keys if key in new.labels}
        key = (pool.name, new.zone, new.flavor_options, *custom.items())
        choice = known.get(key)
        if choice is None:
            choice = known[key] = _choice(now, pool, new, custom)
        # That a node's own flavor cannot be bought is said of the node itself.
        wrong = (words for name, words in choice.wrong if name != new.flavor)
        for words in (*wrong, *_unfit(now.places[new.name], choice)):
            yield plan.Violation(RULE, "", new.name, f"node {new.name}: {words}")
        if new.flavor not in new.flavor_options:
            yield plan.Violation(RULE, "", new.name, f"node {new.name}: its own flavor is not among its flavor options")


def _choice(now: state.State, pool: pools.Pool, new: plan.NewNode, custom: Mapping[str, str]) -> Choice:
    names = new.flavor_options
    found = [now.known.offers.offer(pool, name, new.zone) for name in names]
    offers = tuple(each for each in found if isinstance(each, market.Offer))
    wrong = [
        (name, f"flavor option {name} cannot be bought: {each[1]}")
        for name, each in zip(names, found, strict=True)
        if isinstance(each, tuple)
    ]
    if len(set(names)) < len(names):
        wrong.append(("", "a flavor is listed twice in its flavor options"))
    if any(one.price > other.price for one, other in itertools.pairwise(offers)):
        wrong.append(("", "its flavor options are not sorted by price"))
    rooms = tuple(_room(now, each, custom) for each in offers)
    resources = set.intersection(*(set(room) for room in rooms)) if rooms else set()
    least = {resource: min(room[resource] for room in rooms) for resource in resources}
    return Choice(offers, custom, tuple(wrong), rooms, least)


def _unfit(place: state.Place, choice: Choice) -> Iterator[str]:
    least = choice.least
    for resource, amount in place.requests.items():
        if amount > least.get(resource, 0):
            for offer, room in zip(choice.offers, choice.rooms, strict=True):
                if amount > room.get(resource, 0):
                    yield f"flavor option {offer.flavor.name} has too little {resource} for its pods"
    for of in place.planned:
        if of.affinity:
            if of.affinity not in choice.suits:
                choice.suits[of.affinity] = next(
                    (each.flavor.name for each in choice.offers if not each.admits(of.spec, choice.custom)), None
                )
            if (name := choice.suits[of.affinity]) is not None:
                yield f"flavor option {name} does not suit its pods"


def _room(now: state.State, offer: market.Offer, custom: Mapping[str, str]) -> Mapping[str, int]:
    if not custom:
        return offer.room
    labels = market.joined({**offer.labels, **custom})
    taken = daemons.load(now.known.daemon_sets, labels, offer.pool.taints).requests
    return {resource: amount - taken.get(resource, 0) for resource, amount in offer.flavor.allocatable.items()}
