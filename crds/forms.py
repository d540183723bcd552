"""The leaf types of the models: texts of a certain form, amounts, and the words for those forms."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic
from pydantic_core import PydanticCustomError, core_schema

from crds import duration, labels, percent, quantity, schema, wording

QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
DURATION = r"^([0-9]+(s|m|h))+$"
DURATION_OR_NEVER = r"^(([0-9]+(s|m|h))+|Never)$"
BUDGET_NODES = r"^((100|[0-9]{1,2})%|[0-9]+)$"
BUDGET_SCHEDULE = (
    r"^(@(annually|yearly|monthly|weekly|daily|midnight|hourly))"
    r"|((.+)\s(.+)\s(.+)\s(.+)\s(.+))$"
)
BUDGET_DURATION = r"^((([0-9]+(h|m))|([0-9]+h[0-9]+m))(0s)?)$"
NO_SLASH = r"^[^/]*$"
PATH_PART = r"^[^\s/?#%]+$"
REGION = r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$"

FORMS: dict[str, tuple[str, str]] = {
    labels.QUALIFIED: (
        "is not a qualified name",
        "write letters, digits, '-', '_' and '.', optionally after a domain and a slash, such as example.com/team",
    ),
    labels.VALUE: (
        "is not a label value",
        "write at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    ),
    DURATION: ("is not a duration", "write whole hours, minutes and seconds, such as 720h, 1h30m or 30s"),
    DURATION_OR_NEVER: (
        "is not a duration",
        "write whole hours, minutes and seconds, such as 720h, 1h30m or 30s, or Never",
    ),
    BUDGET_NODES: ("is no number of nodes", 'write a count such as "5" or a percentage such as "10%"'),
    BUDGET_SCHEDULE: (
        "is not a schedule",
        'write minute, hour, day of month, month and day of week, such as "0 9 * * mon-fri", or a macro such as @daily',
    ),
    BUDGET_DURATION: ("is not a duration of hours and minutes", "write hours and minutes, such as 8h, 30m or 8h30m"),
    NO_SLASH: ("is no group", "write the group without a version, such as karpenter.ovhcloud.sh"),
    PATH_PART: ("is no identifier", "write the identifier alone, without blanks, slashes and other signs"),
    REGION: ("is no region", "write the region as the OVHcloud API spells it, such as GRA11 or EU-WEST-PAR"),
}
"""What a text that does not match a pattern is not, and what to write instead."""


def refusal(message: str, hint: str) -> PydanticCustomError:
    """An error that a validator raises; both texts are taken literally."""
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


@dataclass(frozen=True, slots=True)
class Quantities:
    """
    A map from resource names to quantities, read into integers: milli-CPU for "cpu", whole units for all others.

    Only texts and whole numbers are quantities in the schema. Amounts below zero are refused unless `signed`.
    """

    signed: bool = False

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            _units,
            core_schema.dict_schema(
                core_schema.str_schema(strict=True), core_schema.no_info_plain_validator_function(self._quantity)
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(_written),
        )

    def _quantity(self, value: object) -> str | int:
        if isinstance(value, float):
            raise refusal(f"{value!r} is neither a text nor a whole number", f'write it in quotes: "{value!r}"')
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise refusal(f"{wording.shown(value)} is not a quantity", "write a quantity such as 500m, 2 or 4Gi")
        if isinstance(value, str) and not _QUANTITY.search(value):
            raise refusal(f"{wording.shown(value)} is not a quantity", "write a quantity such as 500m, 2 or 4Gi")
        try:
            amount = quantity.parse(value)
        except quantity.QuantityError:
            raise refusal(
                f"{wording.shown(value)} is not a quantity", "write a quantity such as 500m, 2 or 4Gi"
            ) from None
        if amount < 0 and not self.signed:
            raise refusal(f"{wording.shown(value)} is less than zero", "write zero or more")
        return value


_QUANTITY = re.compile(QUANTITY.replace("$", r"\Z"))


def _units(amounts: dict[str, str | int]) -> dict[str, int]:
    return {name: quantity.resource_units(name, value) for name, value in amounts.items()}


def _written(amounts: dict[str, int]) -> dict[str, str]:
    return {name: quantity.format_units(name, value) for name, value in amounts.items()}


def qualified_name(key: str) -> str:
    """The key itself when it is a qualified name; refused otherwise."""
    if not labels.is_qualified_name(key):
        message, hint = FORMS[labels.QUALIFIED]
        raise refusal(f"{wording.shown(key)} {message}", f"{hint}, the name at most 63 characters long")
    return key


def label_value(value: str) -> str:
    """The text itself when it may be the value of a label; refused otherwise."""
    if not labels.is_label_value(value):
        message, hint = FORMS[labels.VALUE]
        raise refusal(f"{wording.shown(value)} {message}", hint)
    return value


_QUANTITY_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "pattern": QUANTITY,
    "x-kubernetes-int-or-string": True,
}

Amounts = Annotated[
    dict[str, int],
    Quantities(),
    schema.Crd({"type": "object", "additionalProperties": _QUANTITY_SCHEMA}),
]
"""Resource name to integer: milli-CPU for "cpu", whole units (bytes, pieces) for all others; none below zero."""

ReportedAmounts = Annotated[
    dict[str, int],
    Quantities(signed=True),
    schema.Crd({"type": "object", "additionalProperties": _QUANTITY_SCHEMA}),
]
"""As `Amounts`, from a status: a reservation larger than a machine makes an amount below zero."""

Duration = Annotated[int, schema.Text(DURATION, duration.parse_duration, duration.format_duration)]
"""Seconds."""

DurationOrNever = Annotated[
    int | None, schema.Text(DURATION_OR_NEVER, duration.parse_duration_or_never, duration.format_duration)
]
"""Seconds, or None for Never."""

BudgetDuration = Annotated[int, schema.Text(BUDGET_DURATION, duration.parse_duration, duration.format_duration)]
"""Seconds, whole minutes."""

BudgetNodes = Annotated[percent.Share, schema.Text(BUDGET_NODES, percent.parse, str)]
"""A count or a percentage of nodes."""

QualifiedName = Annotated[str, pydantic.Field(pattern=labels.QUALIFIED), pydantic.AfterValidator(qualified_name)]
"""The key of a label, a taint or a requirement."""

LabelKey = Annotated[str, pydantic.AfterValidator(qualified_name)]
"""The key of a label in a map, whose keys no schema can check."""

LabelValue = Annotated[str, pydantic.Field(max_length=63, pattern=labels.VALUE), pydantic.AfterValidator(label_value)]
"""The value of a label."""

Time = Annotated[str, schema.Crd({"format": "date-time"})]
"""An instant as RFC 3339 text."""
