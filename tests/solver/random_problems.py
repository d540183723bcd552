"""Random tiny problems over all building blocks together, each from its seed."""

import dataclasses

import numpy as np

from solver import problem as p
from tests.solver import tiny


def provisioning(seed: int, pods: int = 4) -> p.Problem:
    """Up to `pods` pods of 1 to 4 classes, up to 4 offers, up to 2 nodes that stay."""
    return _Maker(seed, pods, consolidate=False).problem()


def consolidation(seed: int, pods: int = 4) -> p.Problem:
    """Up to 3 nodes, most of them removable, with up to `pods` pods that run there, and some more that wait."""
    return _Maker(seed, pods, consolidate=True).problem()


class _Maker:
    """Draws a problem step by step; each block is there with a chance of its own."""

    def __init__(self, seed: int, pods: int, consolidate: bool) -> None:
        self.random = np.random.default_rng([seed, pods, int(consolidate)])
        self.pods = pods
        self.consolidate = consolidate
        self.classes = self._int(1, 4 if not consolidate else 3)
        self.nodes = self._int(1, 3) if consolidate else self._int(0, 2)
        self.offers = self._int(2, 4 if not consolidate else 3)
        self.zones = "abc"[: self._int(1, 3)]
        self.topologies = [tiny.ZONE, p.HOST]

    def problem(self) -> p.Problem:
        waiting, residents = self._demand()
        requests = [(self._int(0 if self._chance(0.1) else 1, 4), self._int(1, 4)) for _ in range(self.classes)]
        classes = [
            tiny.pods(
                f"c{c}",
                waiting[c],
                requests[c],
                priority=self._int(0, 1) if self._chance(0.4) else 0,
                residents={n: int(residents[n, c]) for n in range(self.nodes) if residents[n, c]},
            )
            for c in range(self.classes)
        ]
        offers = [
            tiny.offer(
                price=self._int(2, 9) * 10,
                room=(self._int(3, 10), self._int(3, 10)),
                zone=self._zone(),
                family=self._int(0, 1),
                pool=self._int(0, 2),
            )
            for _ in range(self.offers)
        ]
        nodes = [
            tiny.node(
                room=(self._int(-1, 6), self._int(0, 6)),
                zone=self._zone(),
                price=self._int(1, 9) * 10,
                removable=self.consolidate and self._chance(0.8),
                removal_cost=self._int(0, 8),
            )
            for _ in range(self.nodes)
        ]
        for c in classes:
            for n in list(c.residents):
                if not nodes[n].removable:
                    del c.residents[n]
        built = tiny.problem(classes, offers, nodes)
        self.residents = built.residents
        built = self._where(built)
        built = self._fleet(built)
        return self._relations(built)

    # ---- demand, places

    def _demand(self) -> tuple[p.Ints, p.Ints]:
        total = self._int(1, self.pods)
        owner = self.random.integers(0, self.classes, size=total)
        waiting = np.bincount(owner, minlength=self.classes)
        residents = np.zeros((self.nodes, self.classes), dtype=np.int64)
        if self.consolidate:
            waiting = np.minimum(waiting, self._int(0, 1))
            for c in owner:
                residents[self._int(0, self.nodes - 1), c] += 1
        return waiting, residents

    def _where(self, built: p.Problem) -> p.Problem:
        strict = self._chance(0.3)
        return dataclasses.replace(
            built,
            node_ok=self._mask((self.classes, self.nodes), 0.7 if strict else 1),
            offer_ok=self._mask((self.classes, self.offers), 0.7 if strict else 1),
            node_penalty=self._penalties((self.classes, self.nodes), 0.4),
            offer_penalty=self._penalties((self.classes, self.offers), 0.4),
            offer_rank=self._penalties((self.classes, self.offers), 0.15),
            node_charge=self._int(0, 3),
            preference_price=self._int(1, 400) if self._chance(0.4) else None,
        )

    def _fleet(self, built: p.Problem) -> p.Problem:
        caps = tuple(
            p.Cap(f"cap{i}", "general", "cpu", self._ints(self.offers, 0, 4), self._int(-1, 9))
            for i in range(self._some(0.25))
        )
        removal_caps = tuple(
            p.RemovalCap(f"budget{i}", self._mask((self.nodes,), 0.7), self._int(0, 2))
            for i in range(self._some(0.3) if self.consolidate else 0)
        )
        minimum = tuple(
            p.MinValues(f"min{i}", "general", self._values(built), self._int(1, 3)) for i in range(self._some(0.25))
        )
        shared = tuple(
            p.SharedAmount(
                f"volume{i}", self._int(0, 1), self._mask((self.classes,), 0.6), self._mask((self.nodes,), 0.3)
            )
            for i in range(self._some(0.3))
        )
        kinds = len(built.pools.names)
        pools = built.pools
        if self._chance(0.5):
            free = self._ints(kinds, 0, 2)
            pools = tiny.ovh_pools(
                kinds,
                size=self._ints(kinds, 1, 2),
                free=free,
                exists=(free > 0) | self._mask((kinds,), 0.3),
                new_pools=self._int(0, 3),
                charge=self._int(0, 5),
            )
        return dataclasses.replace(
            built,
            caps=caps,
            removal_caps=removal_caps,
            min_values=minimum,
            shared_amounts=shared,
            pools=pools,
            max_removals=self._int(0, 2) if self.consolidate and self._chance(0.2) else None,
            max_evictions=self._int(0, 4) if self.consolidate and self._chance(0.2) else None,
        )

    def _values(self, built: p.Problem) -> p.Ints:
        family = tiny.ints(kind.family for kind in built.offers)
        values = self._ints(self.offers, 0, 2)
        return np.where(family == 0, values, -1) if self._chance(0.5) else values

    # ---- relations

    def _relations(self, built: p.Problem) -> p.Problem:
        if self._chance(0.3):
            labels = self._int(1, 2)
            rack = p.Topology(
                key="rack",
                domains=tuple("rs"[:labels]),
                of_node=self._ints(self.nodes, -1, labels - 1),
                of_offer=self._ints(self.offers, -1, labels - 1),
            )
            built = dataclasses.replace(built, topologies=(*built.topologies, rack))
            self.topologies.append(1)
        return dataclasses.replace(
            built,
            spreads=tuple(self._spread(built, i) for i in range(self._some(0.35))),
            exclusions=tuple(self._exclusion(i) for i in range(self._some(0.3))),
            attractions=tuple(self._attraction(i) for i in range(self._some(0.35))),
            common_domains=tuple(
                p.CommonDomain(f"volume-zone{i}", self._topology(), self._mask((self.classes,), 0.6))
                for i in range(self._some(0.15))
            ),
        )

    def _spread(self, built: p.Problem, number: int) -> p.Spread:
        topology = self._topology()
        group = self._group()
        domains = 0 if topology == p.HOST else len(built.topologies[topology].domains)
        counted = 1 if self._chance(0.7) else 0.7
        return p.Spread(
            name=f"spread{number}",
            topology=topology,
            owners=group.members if self._chance(0.6) else self._mask((self.classes,), 0.5),
            group=group,
            max_skew=self._int(1, 2),
            min_domains=self._int(1, 3) if self._chance(0.3) else None,
            node_counted=self._mask((self.nodes,), counted),
            offer_counted=self._mask((self.offers,), counted),
            always=self._mask((domains,), 0.5),
            weight=self._weight(),
        )

    def _exclusion(self, number: int) -> p.Exclusion:
        targets = self._group()
        running = self._chance(0.3)
        return p.Exclusion(
            name=f"exclusion{number}",
            topology=self._topology(),
            owners=targets.members if self._chance(0.5) else self._mask((self.classes,), 0.5),
            owner_base=self._base(targets.members) if running else np.zeros(self.nodes, dtype=np.int64),
            targets=targets,
            weight=self._weight(),
        )

    def _attraction(self, number: int) -> p.Attraction:
        targets = self._group()
        owners = targets.members if self._chance(0.4) else self._mask((self.classes,), 0.5)
        weight = self._weight()
        topologies: tuple[int, ...] = (self._topology(),)
        if weight is None and self._chance(0.3):
            topologies = tuple(dict.fromkeys((*topologies, self._topology())))
        return p.Attraction(
            name=f"attraction{number}",
            topologies=topologies,
            owners=owners,
            targets=targets,
            bootstrap=owners & targets.members,
            weight=weight,
        )

    # ---- draws

    def _group(self) -> p.Group:
        members = self._mask((self.classes,), 0.6)
        return p.Group(members=members, base=self._base(members))

    def _base(self, members: p.Mask) -> p.Ints:
        """Residents are among the running pods; now and then others match too."""
        base = self.residents @ members.astype(np.int64)
        return base + self._ints(self.nodes, 0, 1) if self._chance(0.3) else base

    def _topology(self) -> int:
        return int(self.random.choice(self.topologies))

    def _weight(self) -> int | None:
        return self._int(1, 100) if self._chance(0.35) else None

    def _zone(self) -> str:
        return "" if self._chance(0.05) else str(self.random.choice(list(self.zones)))

    def _penalties(self, shape, chance: float) -> p.Ints:
        drawn = self.random.integers(0, 3, size=shape) * self._mask(shape, 0.5)
        return drawn.astype(np.int64) if self._chance(chance) else np.zeros(shape, dtype=np.int64)

    def _mask(self, shape, chance: float) -> p.Mask:
        return np.asarray(self.random.random(shape) < chance, dtype=np.bool_)

    def _ints(self, size: int, low: int, high: int) -> p.Ints:
        return self.random.integers(low, high + 1, size=size, dtype=np.int64)

    def _some(self, chance: float) -> int:
        return int(self._chance(chance)) + int(self._chance(chance * chance))

    def _int(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def _chance(self, chance: float) -> bool:
        return bool(self.random.random() < chance)
