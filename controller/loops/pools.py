"""
What one OVH pool needs: a pure decision over its nodes and the claims that belong to it.

The pool's desired size is the record of what was asked for, so that a pass after a crash asks for nothing twice: it is
raised to the nodes that are there plus the claims that wait, never added to. Nodes of a pool are equal; a claim is
given any of them and keeps it. What MKS exchanges behind our back is adopted in the same way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from controller.ovh import types


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """
    A claim as its pool sees it; times in seconds since the epoch.

    `node` is the MKS node that it was given, `removable` says that its machine may go now, `registered` that its Node has
    joined, so that pods may be on it, `alive` that its Node is ready in the cluster: then neither a list without its
    machine is believed nor a state that says it is broken.
    """

    name: str
    created: float
    node: str = ""
    deleting: bool = False
    removable: bool = False
    alive: bool = False
    registered: bool = False


FAILED = frozenset({types.Phase.OUT_OF_STOCK, types.Phase.OUT_OF_QUOTA, types.Phase.BROKEN})
"""Phases of a node that will not come, or not come back, by itself."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """
    A node that will not come: which, whose it was, what OVH says, and whether it is stock, quota or the node.

    `used` says that it had joined: then its claim goes as any other, with its pods first.
    """

    node: str
    claim: str
    status: str
    phase: types.Phase
    used: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """
    What to do about a pool.

    `assign` gives nodes to claims; `failures` are nodes that will not come; `desired` is the size to ask for, with
    `remove` the nodes to take away, None when nothing is to be asked; `gone` are claims in deletion whose machine no
    longer exists or never did; `leaving` those whose machine is on its way out; `missing` are claims whose node has
    vanished or is being taken away by MKS and that it still owes one, `lost` those that it owes none; `orphans` are
    nodes that no claim wants; `empty` says that the pool serves nobody.
    """

    assign: Mapping[str, str] = dataclasses.field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    desired: int | None = None
    remove: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    empty: bool = False


def decide(
    desired: int,
    most: int,
    nodes: Sequence[types.Node],
    claims: Sequence[Claim],
    expired_orphans: frozenset[str] = frozenset(),
) -> Decision:
    """
    What a pool of size `desired` (at most `most`) with these nodes needs for these claims.

    `expired_orphans` are nodes that nobody has wanted for long enough to remove them.
    """
    known = {node.id for node in nodes}
    live = {node.id: node for node in nodes if node.phase is not types.Phase.LEAVING}
    owner = {claim.node: claim for claim in claims if claim.node in live}
    waiting = sorted(
        (
            claim
            for claim in claims
            if not claim.deleting and claim.node not in live and (claim.node in known or not claim.alive)
        ),
        key=lambda claim: (bool(claim.node), claim.created, claim.name),
    )
    free = sorted((node for node in live.values() if node.id not in owner), key=_preference)
    assign = {claim.name: node.id for claim, node in zip(waiting, free, strict=False)}
    spare = tuple(node.id for node in free[len(assign) :])
    left = waiting[len(assign) :]
    newcomers = [claim for claim in left if not claim.node]
    vanished = [claim for claim in left if claim.node]

    of_node = {node: name for name, node in assign.items()} | {c.node: c.name for c in owner.values()}
    failures = tuple(
        Failure(node.id, of_node.get(node.id, ""), node.status, node.phase, _is_used(owner.get(node.id)))
        for node in live.values()
        if node.phase in FAILED and not _is_kept(owner.get(node.id))
    )
    leave = {claim.node for claim in claims if claim.deleting and claim.removable and claim.node in live}
    remove = tuple(
        sorted(leave | {failure.node for failure in failures if not failure.used} | (set(spare) & expired_orphans))
    )
    promised = max(0, desired - len(live))
    if remove:
        wanted = len(live) + promised - len(remove)
        asked = wanted if wanted < desired else None
    else:
        wanted = min(most, len(live) + len(newcomers))
        asked = wanted if newcomers and wanted > desired else None
    coming = max(0, promised - len(newcomers))
    return Decision(
        assign=assign,
        failures=failures,
        desired=asked,
        remove=remove if asked is not None else (),
        gone=tuple(c.name for c in claims if c.deleting and c.node not in known),
        leaving=tuple(c.name for c in claims if c.deleting and c.node in known and c.node not in live),
        missing=tuple(claim.name for claim in vanished[:coming]),
        lost=tuple(claim.name for claim in vanished[coming:]),
        orphans=spare,
        empty=not nodes and not claims and desired == 0,
    )


def _is_used(owner: Claim | None) -> bool:
    """Whether pods may be on a claim's node."""
    return owner is not None and owner.registered


def _is_kept(owner: Claim | None) -> bool:
    """
    Whether a node stays although OVH calls it broken: it serves the cluster, or is on its way out already.

    Some of OVH's states are about more than the node (`USER_WEBHOOK_PREVENTING_OPERATIONS_ERROR`, a quota that an upgrade
    has met), and a whole fleet can have them at once.
    """
    return owner is not None and (owner.deleting or owner.alive)


def _preference(node: types.Node) -> tuple[bool, bool, str, str]:
    """Nodes that are ready first, those that will not come last, then in the order of their creation."""
    made = node.created_at.isoformat() if node.created_at else ""
    return node.phase in FAILED, node.phase is not types.Phase.READY, made, node.id
