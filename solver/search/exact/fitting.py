"""
Whether pods fit onto nodes of kinds that are taken as sums of room, and if not, why: what is to be said to the model so that it
does not ask again.

Where no mix of full patterns, in fractions of nodes, holds the pods, its dual prices say by how much: pods at these prices are
worth more than the nodes can hold, whatever the numbers of both. That is a row for all numbers (Benders, 1962). Where only whole
nodes do not hold them, it is these pods and these nodes.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from solver.model.cp_sat import cp_model
from solver.search import linear
from solver.search.exact import contents

Ints = NDArray[np.int64]

PACK_SECONDS = 0.2
"""Deterministic seconds for putting pods of one cell onto the nodes that the model bought there."""
SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 60)
"""Multiples of prices that are tried until they can be rounded."""
CLEAR = 1e-4
"""Pods, or fractions of one, that have to be left out for a mix of patterns to say no."""


@dataclasses.dataclass(frozen=True, slots=True)
class Clash:
    """
    So many pods by shape (S,) do not fit onto so many nodes by kind (K,) in a cell, however they are put; with `worth` (S,),
    none below 0, because the pods are worth more than these nodes can hold.
    """

    cell: int
    pods: Ints
    nodes: Ints
    worth: Ints | None


def clash(index: int, cell: contents.Cell, kind: Ints, pods: Ints) -> Clash:
    """Why pods (S,) do not fit onto nodes of these kinds (M,) in a cell."""
    nodes = np.bincount(kind, minlength=len(cell.shapes.field.cost))
    worth = separated(cell, nodes, pods)
    return Clash(index, pods if worth is not None else _least(cell, kind, pods), nodes, worth)


def separated(cell: contents.Cell, nodes: Ints, pods: Ints) -> Ints | None:
    """
    Whole worths of shapes (S,) by which pods (S,) are worth more than anything that so many nodes (K,) hold; None where there
    are none, or patterns are not known.
    """
    there = np.flatnonzero(nodes)
    tables = [cell.patterns(int(kind)) for kind in there]
    known = [table for table in tables if table is not None]
    if len(known) < len(tables):
        return None
    asked = np.flatnonzero(pods)
    size = sum(map(len, known))
    program = linear.Program(
        cost=np.concatenate([np.zeros(size), np.ones(len(asked))]),
        low=np.zeros(size + len(asked)),
        high=np.concatenate([np.full(size, np.inf), pods[asked].astype(np.float64)]),
    )
    held = program.add_rows(pods[asked].astype(np.float64), np.full(len(asked), np.inf))
    program.add_entries(held, size + np.arange(len(asked)), np.ones(len(asked)))
    first = 0
    for kind, table in zip(there, known, strict=True):
        columns = first + np.arange(len(table))
        program.add_entries(held[:, None], columns[None, :], table[:, asked].T.astype(np.float64))
        row = program.add_rows(np.array([-np.inf]), np.array([float(nodes[kind])]))
        program.add_entries(row, columns, np.ones(len(table)))
        first += len(table)
    found = linear.solve(program)
    if found is None or found.objective < CLEAR:
        return None
    for scale in SCALES:
        worth = np.zeros_like(pods)
        worth[asked] = np.rint(np.maximum(found.duals[held], 0.0) * scale)
        if worth @ pods > most(cell, worth) @ nodes:
            return worth
    return None


def most(cell: contents.Cell, worth: Ints) -> Ints:
    """The most that pods on one node of each kind (K,) are worth, none of the worths (S,) below 0."""
    field = cell.shapes.field
    result = np.zeros(len(field.cost), dtype=np.int64)
    for kind in range(len(result)):
        table = cell.patterns(kind)
        if table is not None:
            result[kind] = (table @ worth).max(initial=0)
            continue
        result[kind] = worth @ cell.holds[:, kind]
        for need, room in zip(field.requests.T, field.room[kind], strict=True):
            if (need[worth > 0] > 0).all():
                best = (worth[worth > 0] / need[worth > 0]).max(initial=0.0)
                result[kind] = min(result[kind], int(best * room + CLEAR))
    return result


def chains(cell: contents.Cell) -> list[list[int]]:
    """All kinds in lists, each kind able to stand in for those before it, whatever they hold."""
    field = cell.shapes.field
    found: list[list[int]] = []
    for kind in np.lexsort((np.arange(len(field.cost)), field.room.sum(axis=1), field.ok.sum(axis=0))).tolist():
        for chain in found:
            smaller = chain[-1]
            roomy = (field.room[smaller] <= field.room[kind]).all()
            if roomy and (field.ok[:, smaller] <= field.ok[:, kind]).all():
                chain.append(kind)
                break
        else:
            found.append([kind])
    return found


def packed(cell: contents.Cell, kind: Ints, pods: Ints, needed: Ints) -> Ints | None:
    """
    Pods of each shape (S,) on nodes of these kinds (M,), with at least `needed` of each spread on each: (M, S), no rows where
    that is not possible, None where nothing was decided in time.
    """
    model, field, company = cp_model.CpModel(), cell.shapes.field, cell.company
    table = [
        [model.new_int_var(0, min(int(pods[s]), int(cell.holds[s, k])), "") for s in range(len(pods))] for k in kind
    ]
    for s in range(len(pods)):
        model.add(sum(row[s] for row in table) == int(pods[s]))
    for row, k in zip(table, kind, strict=True):
        for r in range(field.requests.shape[1]):
            model.add(
                cp_model.LinearExpr.weighted_sum(row, field.requests[:, r].astype(int).tolist())
                <= int(field.room[k, r])
            )
        there = [model.new_bool_var("") for _ in row]
        for s, literal in enumerate(there):
            model.add(row[s] <= int(cell.holds[s, k]) * literal)
        for one, other in itertools.combinations(range(len(pods)), 2):
            if company.apart[one, other]:
                model.add_bool_or([~there[one], ~there[other]])
        for rule, most in enumerate(company.most.tolist()):
            for owner in np.flatnonzero(company.owner[:, rule]):
                counted = sum(row[s] for s in np.flatnonzero(company.member[:, rule]))
                model.add(counted <= most).only_enforce_if(there[owner])
            if needed[rule]:
                model.add(sum(row[s] for s in np.flatnonzero(company.member[:, rule])) >= int(needed[rule]))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False
    solver.parameters.max_deterministic_time = PACK_SECONDS
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return np.zeros((0, len(pods)), dtype=np.int64)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return np.array([[solver.value(v) for v in row] for row in table], dtype=np.int64).reshape(len(kind), len(pods))


def _least(cell: contents.Cell, kind: Ints, pods: Ints) -> Ints:
    """Of pods (S,) that do not fit onto these nodes (M,) as few as still do not, the smallest left out first."""
    pods = pods.copy()
    field = cell.shapes.field
    size = (field.requests / np.maximum(field.room.max(axis=0), 1.0)).max(axis=1)
    for shape in np.argsort(size, kind="stable").tolist():
        low, high = 0, int(pods[shape])
        while low < high:
            pods[shape] = (low + high) // 2
            found = packed(cell, kind, pods, np.zeros_like(cell.company.most))
            if found is not None and not len(found):
                high = int(pods[shape])
            else:
                low = int(pods[shape]) + 1
        pods[shape] = high
    return pods
