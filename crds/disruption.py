"""
`spec.disruption` of a NodePool: which of its nodes may be taken away, when, and how many at once.

Fields, defaults and rules are those of Karpenter core 1.14 (`pkg/apis/v1/nodepool.go`).
https://karpenter.sh/docs/concepts/disruption/
"""

from typing import Annotated, Any, ClassVar, Literal

import pydantic

from crds import forms, schedule, schema

UNLIMITED = 2**31 - 1
"""How many nodes may be disrupted when no budget says otherwise."""

Reason = Literal["Underutilized", "Empty", "Drifted"]
Policy = Literal["WhenEmpty", "WhenEmptyOrUnderutilized", "Balanced"]


def _bad_schedule(budget: Any) -> bool | str:
    try:
        schedule.parse(budget.get("schedule", "@daily"))
    except schedule.ScheduleError as error:
        return str(error)
    return False


class Budget(schema.Model):
    """How many nodes of a pool may be disrupted at the same time, always or in windows."""

    RULES: ClassVar[tuple[schema.Rule, ...]] = (
        schema.Rule("is not a schedule", "", _bad_schedule, stage="use", at="schedule"),
    )

    nodes: Annotated[
        forms.BudgetNodes,
        schema.Crd(required=True),
        pydantic.Field(
            default="10%",
            validate_default=True,
            description='How many nodes of this pool may be on their way out at once: a count such as "5" or a '
            'percentage of the pool\'s nodes such as "10%", rounded up. "0" forbids disruption. Always a text, so '
            "write it in quotes.",
            examples=['"10%"'],
        ),
    ]
    reasons: Annotated[
        tuple[Reason, ...] | None,
        schema.Crd({"x-kubernetes-list-type": "set"}),
        schema.Rule("names a reason twice", "name each reason once", lambda reasons: len(set(reasons)) < len(reasons)),
        pydantic.Field(
            max_length=50,
            description="The reasons for disruption that this budget is about: Empty, Underutilized, Drifted. Unset "
            "means all of them. Expiry and deletion by hand know no budget.",
        ),
    ] = None
    schedule: Annotated[
        str | None,
        pydantic.Field(
            pattern=forms.BUDGET_SCHEDULE,
            description='When the budget begins to be in force, as five cron fields in UTC, such as "0 9 * * mon-fri", '
            "or a macro such as @daily. Needs a duration. Without both the budget is always in force. A schedule that "
            "cannot be read forbids every disruption of the pool.",
        ),
    ] = None
    duration: Annotated[
        forms.BudgetDuration | None,
        pydantic.Field(
            description="How long the budget is in force each time that the schedule comes round, in hours and "
            "minutes, such as 8h30m. Needs a schedule.",
        ),
    ] = None

    def active(self, now: int) -> bool:
        """
        Whether the budget is in force at `now` (seconds since the epoch): from a firing on, for its duration.

        Raises `schedule.ScheduleError`.
        """
        if self.schedule is None or self.duration is None:
            return True
        return schedule.parse(self.schedule).fires(now - self.duration, now)


class Disruption(schema.Model):
    """When and how many nodes of a pool may be taken away."""

    consolidate_after: Annotated[
        forms.DurationOrNever,
        pydantic.Field(
            default="0s",
            validate_default=True,
            description="How long no pod may have come to or left a node before it is considered for consolidation, "
            "such as 30s or 5m. 0s considers it at once, Never switches consolidation off for this pool.",
        ),
    ]
    consolidation_policy: Annotated[
        Policy,
        pydantic.Field(
            default="WhenEmptyOrUnderutilized",
            validate_default=True,
            description="Which nodes are considered. WhenEmpty: only nodes without pods of their own. "
            "WhenEmptyOrUnderutilized: also nodes whose pods fit on other or cheaper nodes. Balanced: the same, but "
            "only where the saving is worth the pods that have to move.",
        ),
    ]
    budgets: Annotated[
        tuple[Budget, ...],
        schema.ATOMIC,
        schema.Rule(
            "'schedule' must be set with 'duration'",
            'write both, such as schedule: "0 9 * * mon-fri" and duration: 8h, or none',
            lambda budget: ("schedule" in budget) != ("duration" in budget),
            cel="self.all(x, has(x.schedule) == has(x.duration))",
            each=True,
        ),
        pydantic.Field(
            default=[{"nodes": "10%"}],
            validate_default=True,
            max_length=50,
            description="How many nodes may be disrupted at once. Of all budgets that are in force and name the "
            "reason, the strictest counts. Unset means one budget of 10%; an empty list means no limit.",
        ),
    ]

    def allowed(self, reason: str, nodes: int, now: int) -> int:
        """
        How many of the pool's `nodes` may be disrupted for `reason` at `now` (seconds since the epoch).

        `UNLIMITED` when no budget in force names the reason; 0 for every reason when any budget cannot be read.
        """
        smallest = UNLIMITED
        for budget in self.budgets:
            try:
                active = budget.active(now)
            except schedule.ScheduleError:
                return 0
            if active and (budget.reasons is None or reason in budget.reasons):
                smallest = min(smallest, budget.nodes.of(nodes))
        return smallest
