"""Strongly connected components of a small directed graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def strong_components(successors: Sequence[Collection[int]]) -> list[list[int]]:
    """The components of the graph with edges from i to each of `successors[i]` (Tarjan's algorithm, no recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[list[int]] = []
    for root in range(len(successors)):
        if root in order:
            continue
        work = [(root, iter(successors[root]))]
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    start = stack.index(node)
                    found.append(stack[start:])
                    on_stack -= set(stack[start:])
                    del stack[start:]
            elif following not in order:
                order[following] = low[following] = len(order)
                stack.append(following)
                on_stack.add(following)
                work.append((following, iter(successors[following])))
            elif following in on_stack:
                low[node] = min(low[node], order[following])
    return found
