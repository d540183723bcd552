"""Offers: everything that could be bought, each with all labels that the node will have."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from catalog import catalogue, flavor, labels, region
from solver import options, problem
from solver.build import daemons, places, templates
from solver.rules import context, ovh, table

MAX_VARIANTS = 64
"""How many sets of custom label values one NodePool is offered with."""


@dataclasses.dataclass(slots=True)
class Offers:
    """
    The offers of a cluster and what goes with them.

    `unpriced` are flavors that NodePools allow and that have no known price; they are not offered.
    """

    offers: tuple[problem.Offer, ...]
    flavors: tuple[flavor.Flavor, ...]
    daemons: tuple[tuple[int, ...], ...]
    kinds: tuple[context.PoolKind, ...]
    unpriced: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class _Draft:
    """An offer before DaemonSets and OVH pools are known; `own` are the labels of its OVH pool's content."""

    template: context.Template
    offering: catalogue.Offering
    price: int
    family: int
    own: Mapping[str, str]
    content: str

    @property
    def labels(self) -> dict[str, str]:
        """All labels that the node will have."""
        return {
            **labels.flavor_labels(self.offering.flavor),
            **labels.offering_labels(self.template.region.name, self.offering.zone),
            **self.own,
            labels.NODEPOOL: self.template.name,
            templates.NODE_CLASS_LABEL: self.template.node_class,
        }


def of_templates(
    made: Sequence[context.Template],
    known: catalogue.Catalogue,
    asked: options.Options,
    named: Mapping[str, frozenset[str]],
    sets: daemons.Daemons,
    existing: Sequence[context.Place],
    notes: list[str],
) -> Offers:
    """All offers of these templates; `named` are label keys that pods ask for, each with the values that they name."""
    unpriced: dict[str, None] = {}
    drafts: list[_Draft] = []
    families: dict[tuple[object, ...], int] = {}
    offerings = {
        (each.region, each.monthly): _wanted(known, each.region, asked, monthly=each.monthly, notes=notes)
        for each in made
    }
    for each in made:
        notes += _unknown_flavors(each, known)
        allowed = [one for one in offerings[each.region, each.monthly] if _allows(each, one)]
        if offerings[each.region, each.monthly] and not allowed:
            notes.append(f"NodePool {each.name}: its requirements leave no flavor of region {each.region.name}")
        unpriced |= dict.fromkeys(one.flavor.name for one in allowed if one.hourly_micro_eur is None)
        for custom in _variants(each, named, notes):
            shared = {**each.labels, **custom}
            contents = {
                monthly: ovh.content(
                    each.node_class, shared, each.taints, monthly=monthly, anti_affinity=each.anti_affinity
                )
                for monthly in (False, True)
            }
            for one in allowed:
                if one.hourly_micro_eur is None or not one.available:
                    continue
                family = families.setdefault((each.name, one.zone, *custom.items()), len(families))
                content = contents[one.billing == "monthly"]
                drafts.append(_Draft(each, one, one.hourly_micro_eur, family, shared, content))
    return _finish(drafts, sets, existing, tuple(sorted(unpriced)))


def _wanted(
    known: catalogue.Catalogue, where: region.Region, asked: options.Options, *, monthly: bool, notes: list[str]
) -> list[catalogue.Offering]:
    """What can be bought in a region, without what the user left out."""
    closed = set()
    for name in asked.without_zones:
        zone, note = region.resolve_zone(where, name)
        closed.add(zone)
        if note is not None and note not in notes:
            notes.append(note)
    found = known.offerings(where, monthly=monthly)
    names = {one.flavor.name for one in found}
    kept = {name for name in names if not asked.only_flavors or _globbed(name, asked.only_flavors)}
    kept -= {name for name in names if _globbed(name, asked.without_flavors)}
    for pattern in (*asked.only_flavors, *asked.without_flavors):
        note = f'no flavor of region {where.name} matches "{pattern}"'
        if not any(_globbed(name, (pattern,)) for name in names) and note not in notes:
            notes.append(note)
    return [one for one in found if one.flavor.name in kept and one.zone not in closed]


def _unknown_flavors(made: context.Template, known: catalogue.Catalogue) -> Iterator[str]:
    """Flavors that a NodePool names and nobody sells, and what they may have been meant to be."""
    wanted = made.requirements.get(labels.INSTANCE_TYPE)
    if wanted is None or wanted.complement:
        return
    offered = sorted(name for name, each in known.flavors.items() if each.offered)
    for name in sorted(wanted.values.difference(offered)):
        near = " or ".join(difflib.get_close_matches(name, offered, 2))
        hint = f": did you mean {near}?" if near else ""
        yield f'NodePool {made.name}: no flavor of region {made.region.name} is called "{name}"{hint}'


def _globbed(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _allows(made: context.Template, one: catalogue.Offering) -> bool:
    """Whether a template's requirements let an offering in, as far as flavor, zone and capacity type decide."""
    own = labels.flavor_labels(one.flavor) | labels.offering_labels(made.region.name, one.zone)
    return all(
        each.matches(own.get(key))
        for key, each in made.requirements.items()
        if key in labels.WELL_KNOWN and key != labels.NODEPOOL
    )


def _variants(made: context.Template, named: Mapping[str, frozenset[str]], notes: list[str]) -> list[dict[str, str]]:
    """
    Sets of values for the labels that neither the template nor flavor and offering decide.

    A key that no pod asks for gets one value, as in Karpenter (`pkg/scheduling/requirements.go`); a key that pods ask
    for gets each value that they name, or of a list all, and one more.
    """
    choices = []
    for key, each in made.requirements.items():
        if key in labels.WELL_KNOWN or key in made.labels:
            continue
        values: list[str | None]
        if key not in named:
            values = [each.any_value()]
        elif each.complement:
            wanted = sorted(value for value in named[key] if each.allows(value))
            values = [*wanted, each.any_value(named[key])] if wanted else [each.any_value()]
        else:
            values = [*sorted(each.values)] or [None]
        if each.complement and values == [None]:
            return []
        choices.append([(key, value) for value in dict.fromkeys(values) if value is not None or not each.complement])
    count = 1
    for each_choice in choices:
        count *= len(each_choice)
    if count > MAX_VARIANTS:
        notes.append(
            f"NodePool {made.name}: its custom labels allow {count} sets of values, of which {MAX_VARIANTS} are tried"
        )
    chosen = itertools.islice(itertools.product(*choices), MAX_VARIANTS)
    return [{key: value for key, value in variant if value is not None} for variant in chosen]


def _finish(
    drafts: Sequence[_Draft], sets: daemons.Daemons, existing: Sequence[context.Place], unpriced: tuple[str, ...]
) -> Offers:
    own = [draft.labels for draft in drafts]
    rows = table.LabelTable([table.unborn(each) | places.STARTED for each in own] if sets.specs else [])
    masks = daemons.matches(sets, rows, [draft.template.taints for draft in drafts]) if sets.specs else []
    taken = {}
    indices, found = [], []
    kinds: dict[str, tuple[int, int]] = {}
    names = _pool_names(drafts, existing)
    for row, draft in enumerate(drafts):
        chosen = tuple(index for index, mask in enumerate(masks) if mask[row])
        if chosen not in taken:
            taken[chosen] = daemons.requests(sets, chosen)
        indices.append(chosen)
        name = names[draft.offering.flavor.name, draft.offering.zone, draft.content]
        anti = draft.template.anti_affinity
        kind = kinds.setdefault(name, (len(kinds), ovh.ANTI_AFFINITY_POOL_SIZE if anti else ovh.POOL_SIZE))
        found.append(
            problem.Offer(
                node_pool=draft.template.name,
                node_class=draft.template.node_class,
                flavor=draft.offering.flavor.name,
                zone=draft.offering.zone,
                monthly=draft.offering.billing == "monthly",
                price=draft.price,
                family=draft.family,
                pool=kind[0],
                labels=own[row],
                taints=draft.template.taints,
                startup_taints=draft.template.startup_taints,
                daemon_requests=taken[chosen],
                allocatable=draft.offering.flavor.allocatable,
            )
        )
    there = ovh.further_pools(ovh_pools(existing))
    return Offers(
        tuple(found),
        tuple(draft.offering.flavor for draft in drafts),
        tuple(indices),
        tuple(_kind(name, size, there.get(name, ())) for name, (_, size) in kinds.items()),
        unpriced,
    )


def _kind(name: str, size: int, there: Iterable[tuple[str, int]]) -> context.PoolKind:
    return context.PoolKind(name, size, tuple((pool, max(0, size - nodes)) for pool, nodes in there))


def ovh_pools(existing: Iterable[context.Place]) -> dict[str, int]:
    """The OVH pools that nodes say they belong to, with their number of nodes."""
    found: dict[str, int] = {}
    for place in existing:
        name = place.labels.get(labels.OVH_POOL)
        if name:
            found[name] = found.get(name, 0) + 1
    return found


def _pool_names(drafts: Iterable[_Draft], existing: Iterable[context.Place]) -> dict[tuple[str, str, str], str]:
    """
    The OVH pool name of each content by (flavor, zone, content).

    The base name belongs to the content that nodes of such a pool show, else to the first that has no pool yet; others
    have their hash behind it.
    """
    holders: dict[str, list[context.Place]] = {}
    for place in existing:
        holders.setdefault(place.labels.get(labels.OVH_POOL, ""), []).append(place)
    contents: dict[tuple[str, str], dict[str, bool]] = {}
    for draft in drafts:
        flavor_name, zone = draft.offering.flavor.name, draft.offering.zone
        nodes = holders.get(ovh.base_name(flavor_name, zone))
        if nodes is None:
            suits = ovh.hashed_name(flavor_name, zone, draft.content) not in holders
        else:
            suits = any(_made_from(node, draft) for node in nodes)
        known = contents.setdefault((flavor_name, zone), {})
        known[draft.content] = known.get(draft.content, False) or suits
    names = {}
    for (flavor_name, zone), known in contents.items():
        first = next((content for content, suits in known.items() if suits), None)
        for content in known:
            base = content == first
            name = ovh.base_name(flavor_name, zone) if base else ovh.hashed_name(flavor_name, zone, content)
            names[flavor_name, zone, content] = name
    return names


def _made_from(place: context.Place, draft: _Draft) -> bool:
    """Whether an existing node could have been made from this draft: its NodePool, labels and taints say so."""
    made = draft.template
    same = place.node_pool == made.name and set(made.taints) <= set(place.taints)
    return same and all(place.labels.get(key) == value for key, value in draft.own.items())
