"""What a scheduling rule is to the planner."""

from __future__ import annotations

from typing import Protocol

from solver.rules import builder, context


class Rule(Protocol):
    """
    One scheduling rule; each module of this package that stands in `RULES` is one.

    `name` is what explanations and the checker call it. Rules are compiled in the order of `RULES`: those that refuse
    places come first, those that relate pods to other pods read the finished refusals.
    """

    name: str

    def compile(self, about: context.Context, into: builder.Builder) -> None:
        """Write this rule as refusals, amounts, penalties and blocks; nothing when no pod or place is concerned."""
        ...

    def explain(self, about: context.Context, pod_class: int, place: int) -> str:
        """
        Why this rule refuses the place to the class, in upstream's words where there are such words.

        Asked only for pairs that this rule refused. Places are numbered as in `Context.table`: nodes first, then
        offers.
        """
        ...
