"""What the user may ask of the planner: one immutable value, the same for `solve` and for the controller."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

Mode = Literal["provision", "consolidate", "repack"]

DEFAULT_NODE_CHARGE = 10
"""Micro-euro per hour and node: breaks ties towards fewer, larger nodes; below 0.1 % of the cheapest flavor's price."""

DEFAULT_DISRUPTION_PRICE = 1000
"""Micro-euro per eviction."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """
    Arguments of one run.

    Money is in micro-euro (per hour where it is a rate), times in seconds; `now` is seconds since the epoch, and
    `clock` says that nobody asked for that instant: it is the present one. `quota` is what is left of the project
    quota: keys vcpus (whole), memory (bytes), instances. `node_charge` per node and hour. `preference_price` is what a
    preference of weight 100 is worth per hour, or None for the policy Respect.
    """

    mode: Mode = "provision"
    now: int = 0
    clock: bool = False
    time_limit: float = 5.0
    seed: int = 0
    deterministic: bool = False
    workers: int = 2
    gap: float = 0.0
    preference_policy: Literal["Respect", "Ignore"] = "Respect"
    min_values_policy: Literal["Strict", "BestEffort"] = "Strict"
    preference_price: int | None = None
    weights: Literal["strict", "price"] = "strict"
    node_charge: int = DEFAULT_NODE_CHARGE
    disruption_price: int = DEFAULT_DISRUPTION_PRICE
    horizon: int = 24 * 3600
    max_evictions: int | None = None
    max_nodes: int | None = None
    region: str | None = None
    quota: Mapping[str, int] = dataclasses.field(default_factory=dict)
    only_flavors: tuple[str, ...] = ()
    without_flavors: tuple[str, ...] = ()
    without_zones: tuple[str, ...] = ()
    feature_gates: Mapping[str, bool] = dataclasses.field(default_factory=dict)
