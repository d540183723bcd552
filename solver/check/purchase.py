"""
Each node to be created is one that can be bought: its NodePool may make it, and its figures are the catalogue's.

Labels are those of flavor, place, template and requirements, with one value for each custom key, and no others;
taints are the template's. Sources: interfaces of the plan (docs), Karpenter core
`pkg/controllers/provisioning/scheduling/nodeclaimtemplate.go`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from catalog import catalogue
from catalog import labels as names
from crds import quantity
from solver import plan
from solver.check import market, match, resources, state

POOL, LABELS, TAINTS, BILLING, PRICE, FIGURES = "nodepool", "labels", "taints", "billing", "price", "figures"
OVH_POOL = "ovh-pool"


def violations(now: state.State) -> Iterator[plan.Violation]:
    """Everything about the nodes to be created that is not as it would be."""
    for new in now.known.answer.create:
        pool = now.known.node_pools.get(new.node_pool)
        if pool is None:
            yield _violation(POOL, new, f"NodePool {new.node_pool} does not exist")
            continue
        if pool.unusable:
            yield _violation(POOL, new, f"NodePool {pool.name} is not used: {pool.unusable}")
        if new.node_class != pool.node_class:
            yield _violation(POOL, new, f"NodePool {pool.name} has node class {pool.node_class}, not {new.node_class}")
        offer = now.known.offers.offer(pool, new.flavor, new.zone)
        if not isinstance(offer, market.Offer):
            yield _violation(offer[0], new, offer[1])
            continue
        yield from _bought(new, offer)
        yield from _described(new, offer)
        place = now.places[new.name]
        yield from _figures(now, new, offer, place)


def _violation(rule: str, new: plan.NewNode, words: str) -> plan.Violation:
    return plan.Violation(rule, "", new.name, f"node {new.name} ({new.flavor}, {new.zone}): {words}")


def _bought(new: plan.NewNode, offer: market.Offer) -> Iterator[plan.Violation]:
    if new.monthly_billed and not offer.monthly:
        why = (
            "the node class does not ask for it" if not offer.pool.monthly else f"{new.flavor} is not sold by the month"
        )
        yield _violation(BILLING, new, f"it is billed by the month, but {why}")
    elif offer.monthly and not new.monthly_billed:
        yield _violation(BILLING, new, "its node class asks for monthly billing")
    price = catalogue.price_per_hour(offer.flavor, monthly=new.monthly_billed)[1]
    if new.hourly != price:
        yield _violation(PRICE, new, f"it costs {price} micro-euro per hour, not {new.hourly}")
    if new.capacity_type != names.ON_DEMAND:
        yield _violation(BILLING, new, f"capacity type {new.capacity_type} is not sold")
    form = rf"karpenter-{re.escape(new.flavor)}-{re.escape(new.zone)}(-[0-9a-f]{{8}})?(-[0-9]+)?"
    if not re.fullmatch(form, new.ovh_pool):
        words = f"its OVH pool is named {new.ovh_pool}, not karpenter-{new.flavor}-{new.zone} with or without a suffix"
        yield _violation(OVH_POOL, new, words)


def _described(new: plan.NewNode, offer: market.Offer) -> Iterator[plan.Violation]:
    """Labels, annotations and taints."""
    pool = offer.pool
    if pool.open_keys or new.labels != offer.plain_labels:
        yield from _labels(new, offer)
    for key, value in pool.annotations.items():
        if new.annotations.get(key) != value:
            yield _violation(LABELS, new, f"annotation {key} of the template is missing")
    for name, taints, right in (
        ("taints", new.taints, pool.taints),
        ("startup taints", new.startup_taints, pool.startup_taints),
    ):
        if sorted(map(match.written, taints)) != sorted(map(match.written, right)):
            yield _violation(TAINTS, new, f"its {name} are not those of NodePool {pool.name}'s template")


def _labels(new: plan.NewNode, offer: market.Offer) -> Iterator[plan.Violation]:
    pool = offer.pool
    for key, value in offer.labels.items():
        stated = new.labels.get(key)
        if stated != value and not (stated is None and key in names.OLD_NAMES):
            yield _violation(LABELS, new, f"label {key} is {_shown(stated)}, it will be {value}")
    for key in pool.open_keys:
        stated = new.labels.get(key)
        if stated is None or not all(match.value_holds(op, values, stated) for op, values in pool.conditions[key]):
            yield _violation(LABELS, new, f"label {key} is {_shown(stated)}, which NodePool {pool.name} does not allow")
    for key, stated in new.labels.items():
        if key not in offer.labels and key not in pool.open_keys and (key, stated) != (names.OVH_POOL, new.ovh_pool):
            yield _violation(LABELS, new, f"label {key}={stated} comes from nowhere")


def _shown(value: str | None) -> str:
    return "missing" if value is None else value


def _figures(now: state.State, new: plan.NewNode, offer: market.Offer, place: state.Place) -> Iterator[plan.Violation]:
    """Requests and allocatable."""
    right = dict(place.requests)
    for resource, amount in resources.daemons_to_come(now, place).items():
        right[resource] = right.get(resource, 0) + amount
    if new.requests != right:
        yield from _wrong_requests(new, right)
    for resource, amount in new.allocatable.items():
        if amount > offer.flavor.allocatable.get(resource, 0):
            words = f"allocatable {resource} {quantity.format_units(resource, amount)} is more than the catalogue has"
            yield _violation(FIGURES, new, words)


def _wrong_requests(new: plan.NewNode, right: Mapping[str, int]) -> Iterator[plan.Violation]:
    for resource in right.keys() | new.requests.keys():
        if new.requests.get(resource, 0) != right.get(resource, 0):
            stated = quantity.format_units(resource, new.requests.get(resource, 0))
            words = f"its requests of {resource} are {quantity.format_units(resource, right.get(resource, 0))}"
            yield _violation(FIGURES, new, f"{words}, not {stated}")
