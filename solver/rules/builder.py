"""Where rules write what they find: refusals, amounts, penalties and blocks, in the order of the problem's indices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from solver import problem
from solver.rules import table

EVERYWHERE = ""
"""Key of the topology that has the whole cluster as its only domain."""

HOSTNAME = "kubernetes.io/hostname"


class Builder:
    """
    A problem in the making, for C classes and P places (N existing nodes, then O offers).

    The first rule that refuses a pair is remembered, so that `refused` (C, P) says who refused what: 0 nobody, n the
    n-th of `rules`. A rule that is asked for by itself is told by `left` (C, P) what all rules leave.
    """

    def __init__(
        self,
        rules: Iterable[str],
        classes: int,
        nodes: int,
        labels: table.LabelTable,
        left: problem.Mask | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.classes = classes
        self.nodes = nodes
        self.offers = len(labels) - nodes
        self.refused = np.zeros((classes, len(labels)), dtype=np.int8)
        self.penalty = np.zeros((classes, len(labels)), dtype=np.int64)
        self.rank = np.zeros((classes, self.offers), dtype=np.int64)
        self.resources: list[str] = []
        self.requests: list[problem.Ints] = []
        self.room: list[problem.Ints] = []
        self.topologies: list[problem.Topology] = []
        self.spreads: list[problem.Spread] = []
        self.exclusions: list[problem.Exclusion] = []
        self.attractions: list[problem.Attraction] = []
        self.common_domains: list[problem.CommonDomain] = []
        self.shared_amounts: list[problem.SharedAmount] = []
        self.min_values: list[problem.MinValues] = []
        self.caps: list[problem.Cap] = []
        self.pools: problem.OvhPools | None = None
        self._codes: Mapping[str, int] = {rule: code for code, rule in enumerate(self.rules, start=1)}
        self._labels = labels
        self._left = left
        self._topology: dict[str, int] = {HOSTNAME: problem.HOST}

    @property
    def ok(self) -> problem.Mask:
        """Which class may go where, as far as rules have spoken (C, P)."""
        return self._left if self._left is not None else self.refused == 0

    def refuse(self, rule: str, classes: problem.Ints, places: problem.Mask) -> None:
        """No pod of these classes (indices) on these places (P,)."""
        columns = np.flatnonzero(places)
        if not len(columns) or not len(classes):
            return
        if len(columns) == places.size:
            block = self.refused[classes]
            self.refused[classes] = np.where(block == 0, np.int8(self._codes[rule]), block)
            return
        cells = np.ix_(classes, columns)
        block = self.refused[cells]
        self.refused[cells] = np.where(block == 0, np.int8(self._codes[rule]), block)

    def penalise(self, classes: problem.Ints, weights: problem.Ints) -> None:
        """Each pod of these classes (indices) on a place costs that place's weight (P,) more."""
        if len(classes) and weights.any():
            self.penalty[classes] += weights

    def amount(self, resource: str, requests: problem.Ints, room: problem.Ints, rule: str) -> int:
        """
        A resource: what each pod takes (C,) and what each place has (P,), below zero counting as nothing.

        Returns its index. Places that not even one pod of a class fits on are refused to it.
        """
        room = np.maximum(room, 0)
        if self.classes and room.size and requests.max() > room.min():
            code = np.int8(self._codes[rule])
            np.copyto(self.refused, code, where=(requests[:, None] > room[None, :]) & (self.refused == 0))
        self.resources.append(resource)
        self.requests.append(requests)
        self.room.append(room)
        return len(self.resources) - 1

    def topology(self, key: str) -> int:
        """The index of a topology key, `problem.HOST` for the hostname; old names are not translated."""
        number = self._topology.get(key)
        if number is None:
            index, codes = self._labels.codes(key)
            number = self._topology[key] = self._add(key, tuple(index), codes)
        return number

    def everywhere(self) -> int:
        """The index of a topology with one domain that holds every node and offer."""
        number = self._topology.get(EVERYWHERE)
        if number is None:
            codes = np.zeros(len(self._labels), dtype=np.int64)
            number = self._topology[EVERYWHERE] = self._add(EVERYWHERE, ("cluster",), codes)
        return number

    def domains(self, topology: int) -> problem.Ints:
        """The domain of every place (P,), -1 where the label is missing; not for `problem.HOST`."""
        found = self.topologies[topology]
        return np.concatenate([found.of_node, found.of_offer])

    def class_mask(self, classes: Iterable[int]) -> problem.Mask:
        """A mask over classes (C,) from indices."""
        mask = np.zeros(self.classes, dtype=np.bool_)
        mask[list(classes)] = True
        return mask

    def as_problem(
        self,
        classes: tuple[problem.PodClass, ...],
        nodes: tuple[problem.ExistingNode, ...],
        offers: tuple[problem.Offer, ...],
        ok: problem.Mask,
        pools: problem.OvhPools,
    ) -> problem.Problem:
        """
        What rules wrote, as a problem; what it costs beyond prices is for the caller to add.

        Parameters
        ----------
        classes, nodes, offers: what the indices stand for.
        ok: (C, P) which class may go where.
        pools: OVH pools.
        """
        size = self.nodes
        return problem.Problem(
            resources=tuple(self.resources),
            classes=classes,
            nodes=nodes,
            offers=offers,
            requests=_stacked(self.requests, self.classes),
            node_room=_stacked([room[:size] for room in self.room], size),
            offer_room=_stacked([room[size:] for room in self.room], self.offers),
            node_ok=np.ascontiguousarray(ok[:, :size]),
            offer_ok=np.ascontiguousarray(ok[:, size:]),
            node_penalty=self.penalty[:, :size],
            offer_penalty=self.penalty[:, size:],
            offer_rank=self.rank,
            pools=pools,
            topologies=tuple(self.topologies),
            spreads=tuple(self.spreads),
            exclusions=tuple(self.exclusions),
            attractions=tuple(self.attractions),
            common_domains=tuple(self.common_domains),
            shared_amounts=tuple(self.shared_amounts),
            min_values=tuple(self.min_values),
            caps=tuple(self.caps),
        )

    def _add(self, key: str, domains: tuple[str, ...], codes: problem.Ints) -> int:
        self.topologies.append(problem.Topology(key, domains, codes[: self.nodes], codes[self.nodes :]))
        return len(self.topologies) - 1


def _stacked(columns: Sequence[problem.Ints], rows: int) -> problem.Ints:
    return np.stack(columns, axis=1) if columns else np.zeros((rows, 0), dtype=np.int64)
