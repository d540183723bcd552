"""Labels of many things at once: which rows fulfil an expression, answered for all rows together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from catalog import labels
from solver import cluster, problem
from solver.rules import requirements

NAME_FIELD = "metadata.name:"
"""Pseudo label that holds an object's name, for `matchFields`; no label key can be spelt like this."""

UNKNOWN = "?"
"""Stands for a value that is not known yet; no label value can be spelt like this."""


class LabelTable:
    """
    The labels of n things (nodes and offers, or kinds of pods), turned into integer codes key by key when first asked.

    Masks that it returns are shared and read-only.
    """

    def __init__(self, rows: Sequence[cluster.Labels]) -> None:
        self._rows = rows
        self._codes: dict[str, tuple[dict[str, int], problem.Ints]] = {}
        self._masks: dict[requirements.Requirement, problem.Mask] = {}
        self._terms: dict[tuple[cluster.NodeTerm, ...], problem.Mask] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def codes(self, key: str) -> tuple[dict[str, int], problem.Ints]:
        """The values of a label, numbered in order of appearance, and each row's number (n,), -1 where missing."""
        found = self._codes.get(key)
        if found is None:
            index: dict[str, int] = {}
            codes = np.full(len(self._rows), -1, dtype=np.int64)
            for row, own in enumerate(self._rows):
                value = own.get(key)
                if value is not None:
                    codes[row] = index.setdefault(value, len(index))
            codes.setflags(write=False)
            found = self._codes[key] = (index, codes)
        return found

    def where(self, asked: requirements.Requirement) -> problem.Mask:
        """Rows that fulfil the requirement (n,)."""
        found = self._masks.get(asked)
        if found is None:
            index, codes = self.codes(asked.key)
            found = _lookup(asked, index)[codes]
            found.setflags(write=False)
            self._masks[asked] = found
        return found

    def all_of(self, expressions: Iterable[cluster.Expression]) -> problem.Mask:
        """Rows that fulfil every expression (n,)."""
        mask = np.ones(len(self._rows), dtype=np.bool_)
        for expression in expressions:
            mask &= self.where(requirements.of(expression.key, expression.operator, expression.values))
        return mask

    def any_of(self, terms: tuple[cluster.NodeTerm, ...]) -> problem.Mask:
        """Rows that some node selector term matches (n,); an empty term matches none, and so does an empty list."""
        found = self._terms.get(terms)
        if found is None:
            found = np.zeros(len(self._rows), dtype=np.bool_)
            for term in terms:
                found |= self.term(term)
            found.setflags(write=False)
            self._terms[terms] = found
        return found

    def term(self, term: cluster.NodeTerm) -> problem.Mask:
        """Rows that one node selector term matches (n,)."""
        if not term.expressions and not term.fields:
            return np.zeros(len(self._rows), dtype=np.bool_)
        fields = [cluster.Expression(f"{each.key}:", each.operator, each.values) for each in term.fields]
        return self.all_of([*term.expressions, *fields])


def _lookup(asked: requirements.Requirement, index: dict[str, int]) -> problem.Mask:
    """Whether each numbered value fulfils the requirement, and last (found by -1) whether a missing label does."""
    if asked.lower is not None or asked.upper is not None:
        return np.array([*map(asked.allows, index), asked.negative], dtype=np.bool_)
    table = np.full(len(index) + 1, asked.complement, dtype=np.bool_)
    for value in asked.values:
        if value in index:
            table[index[value]] = not asked.complement
    table[-1] = asked.negative
    return table


def with_old_names(of: cluster.Labels) -> dict[str, str]:
    """Labels with those under which kubelet and cloud controller repeat some, such as `beta.kubernetes.io/arch`."""
    return {**{old: of[new] for old, new in labels.OLD_NAMES.items() if new in of}, **of}


def unborn(of: cluster.Labels) -> dict[str, str]:
    """Labels of a node that does not exist yet, with a name and a hostname that nobody can ask for."""
    return with_old_names(of) | {labels.HOSTNAME: UNKNOWN, NAME_FIELD: UNKNOWN}
