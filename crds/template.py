"""What NodePool templates and NodeClaims have in common: requirements, taints and the reference to a node class."""

import re
from typing import Annotated, Any, Literal

import pydantic

from crds import forms, labels, schema, wording

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte"]
Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]

_BOUNDS = ("Gt", "Lt", "Gte", "Lte")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)

RESERVED_DOMAIN_MESSAGE = 'label domain "karpenter.sh" is restricted'
RESERVED_DOMAIN_HINT = (
    "use a label of your own domain; of karpenter.sh only karpenter.sh/capacity-type may be set by a NodePool"
)
HOSTNAME_MESSAGE = 'label "kubernetes.io/hostname" is restricted'
HOSTNAME_HINT = "leave it out: every node has its own"
NODEPOOL_MESSAGE = 'label "karpenter.sh/nodepool" is restricted'
NODEPOOL_HINT = "leave it out: nodes carry the name of their NodePool anyway"

_KEY_RULES = (
    schema.Rule(
        RESERVED_DOMAIN_MESSAGE,
        RESERVED_DOMAIN_HINT,
        labels.in_reserved_domain,
        cel='self in ["karpenter.sh/capacity-type", "karpenter.sh/nodepool"] '
        '|| !self.find("^([^/]+)").endsWith("karpenter.sh")',
    ),
    schema.Rule(
        HOSTNAME_MESSAGE, HOSTNAME_HINT, lambda key: key == labels.HOSTNAME, cel='self != "kubernetes.io/hostname"'
    ),
)
_POOL_KEY_RULE = schema.Rule(
    NODEPOOL_MESSAGE, NODEPOOL_HINT, lambda key: key == labels.NODEPOOL, cel='self != "karpenter.sh/nodepool"'
)


def _bound_is_missing(requirement: Any) -> bool:
    if requirement["operator"] not in _BOUNDS:
        return False
    (value,) = requirement["values"]
    return not _INTEGER.fullmatch(value) or int(value) < 0


def _too_few_values(requirement: Any) -> bool:
    return (
        requirement["operator"] == "In"
        and "minValues" in requirement
        and len(requirement["values"]) < int(requirement["minValues"])
    )


def _no_known_capacity_type(requirement: Any) -> bool | str:
    if requirement["key"] != labels.CAPACITY_TYPE or requirement["operator"] != "In" or not requirement["values"]:
        return False
    known = [value for value in requirement["values"] if value in labels.CAPACITY_TYPES]
    if not known:
        return f"{wording.shown(requirement['values'])} holds no capacity type"
    if len(known) < requirement.get("minValues", 0):
        return f"{wording.shown(requirement['values'])} holds fewer capacity types than minValues"
    return False


REQUIREMENT_RULES = (
    schema.Rule(
        "requirements with operator 'In' must have a value defined",
        'list what is allowed, such as values: ["b3-8", "b3-16"]',
        lambda requirement: requirement["operator"] == "In" and not requirement["values"],
        cel="self.all(x, x.operator == 'In' ? x.values.size() != 0 : true)",
        each=True,
    ),
    schema.Rule(
        "requirements operator 'Gt', 'Lt', 'Gte', or 'Lte' must have a single positive integer value",
        'write one whole number in quotes, such as values: ["4"]',
        _bound_is_missing,
        cel="self.all(x, (x.operator == 'Gt' || x.operator == 'Lt' || x.operator == 'Gte' || x.operator == 'Lte') ? "
        "(x.values.size() == 1 && int(x.values[0]) >= 0) : true)",
        each=True,
    ),
    schema.Rule(
        "requirements with 'minValues' must have at least that many values specified in the 'values' field",
        "list more values or lower minValues",
        _too_few_values,
        cel="self.all(x, (x.operator == 'In' && has(x.minValues)) ? x.values.size() >= x.minValues : true)",
        each=True,
    ),
    schema.Rule(
        "no known capacity type",
        "write on-demand, which is all that OVHcloud sells",
        _no_known_capacity_type,
        each=True,
        stage="validation",
        at="values",
    ),
)


class Requirement(schema.Model):
    """A condition on a label of the node, and on how many values of it there must be to choose from."""

    key: Annotated[
        forms.QualifiedName,
        *_KEY_RULES,
        pydantic.Field(
            max_length=316,
            description="The label that the condition is about, such as node.kubernetes.io/instance-type, "
            "topology.kubernetes.io/zone or karpenter.ovhcloud.sh/family.",
            examples=["node.kubernetes.io/instance-type"],
        ),
    ]
    operator: Annotated[
        Operator,
        pydantic.Field(
            description="How the label relates to the values. In and NotIn: one of them, none of them. Exists and "
            "DoesNotExist: the label is there or not, whatever its value. Gt, Lt, Gte and Lte: its value, a whole "
            "number, is greater than, less than, at least or at most the single value given.",
            examples=["In"],
        ),
    ]
    values: Annotated[
        tuple[Annotated[str, pydantic.AfterValidator(forms.label_value)], ...],
        # The keywords on strings apply to no list. They stand here because they stand there upstream, and so every
        # list is accepted that is accepted there; the form of the values is checked when the NodePool is used.
        schema.Crd({"x-kubernetes-list-type": "atomic", "maxLength": 63, "pattern": labels.VALUE}),
        pydantic.Field(
            description="What the label is compared with, always as text. At least one for In, exactly one whole "
            "number for Gt, Lt, Gte and Lte, and none for Exists and DoesNotExist.",
        ),
    ] = ()
    min_values: Annotated[
        int | None,
        pydantic.Field(
            ge=1,
            le=50,
            strict=True,
            description="How many different values of the label the flavors that are left must offer at the least, "
            "so that there is a choice when stock runs out. Unset asks for no choice.",
        ),
    ] = None


class TemplateRequirement(Requirement):
    """A requirement of a NodePool, which may not choose nodes of another NodePool."""

    key: Annotated[
        forms.QualifiedName,
        _KEY_RULES[0],
        _POOL_KEY_RULE,
        _KEY_RULES[1],
        pydantic.Field(
            max_length=316,
            description="The label that the condition is about, such as node.kubernetes.io/instance-type, "
            "topology.kubernetes.io/zone or karpenter.ovhcloud.sh/family. Labels of the domain karpenter.sh are kept "
            "for Karpenter, except karpenter.sh/capacity-type.",
            examples=["node.kubernetes.io/instance-type"],
        ),
    ]


class Taint(schema.Model):
    """A taint; `value` is empty when there is none."""

    key: Annotated[
        forms.QualifiedName,
        pydantic.Field(min_length=1, description="The key of the taint, such as dedicated.", examples=["dedicated"]),
    ]
    value: Annotated[
        forms.QualifiedName,
        pydantic.Field(description="The value of the taint. Leave the field out for a taint without a value."),
    ] = ""
    effect: Annotated[
        Effect,
        pydantic.Field(
            description="What happens to pods that do not tolerate the taint. NoSchedule: they do not come. "
            "PreferNoSchedule: they come only when there is no other place. NoExecute: they do not come, and those "
            "that are there are evicted.",
            examples=["NoSchedule"],
        ),
    ]
    time_added: Annotated[
        forms.Time, pydantic.Field(description="When a NoExecute taint was added. Kept for objects that carry it.")
    ] = ""


class NodeClassRef(schema.Model):
    """The node class that a NodePool or NodeClaim takes its settings from."""

    group: Annotated[
        str,
        schema.Rule("group may not be empty", "write karpenter.ovhcloud.sh", lambda text: not text, cel="self != ''"),
        pydantic.Field(
            pattern=forms.NO_SLASH,
            description="The API group of the node class, without a version: karpenter.ovhcloud.sh.",
            examples=["karpenter.ovhcloud.sh"],
        ),
    ]
    kind: Annotated[
        str,
        schema.Rule("kind may not be empty", "write OVHNodeClass", lambda text: not text, cel="self != ''"),
        pydantic.Field(description="The kind of the node class: OVHNodeClass.", examples=["OVHNodeClass"]),
    ]
    name: Annotated[
        str,
        schema.Rule(
            "name may not be empty", "write the name of an OVHNodeClass", lambda text: not text, cel="self != ''"
        ),
        pydantic.Field(description="The name of the node class.", examples=["default"]),
    ]


Taints = Annotated[
    tuple[Taint, ...],
    schema.ATOMIC,
    pydantic.Field(
        description=(
            "Taints of the nodes. Only pods that tolerate them are placed there, and only such pods bring new nodes about."
        )
    ),
]
StartupTaints = Annotated[
    tuple[Taint, ...],
    schema.ATOMIC,
    pydantic.Field(
        description=(
            "Taints that nodes have until they are ready for pods, and that somebody else, such as a DaemonSet that installs "
            "a driver, takes off. Pods need not tolerate them to bring a node about. A node counts as initialized once they "
            "are gone."
        )
    ),
]
ExpireAfter = Annotated[
    forms.DurationOrNever,
    pydantic.Field(
        default="720h",
        validate_default=True,
        description=(
            "How long a node lives, counted from the creation of its NodeClaim, before it is drained and replaced. Whole "
            "hours, minutes and seconds, such as 720h, or Never. Expiry does not wait for disruption budgets."
        ),
    ),
]
GracePeriod = Annotated[
    forms.Duration | None,
    pydantic.Field(
        description=(
            "How long a node may take to drain before its remaining pods are deleted, such as 1h. It overrules "
            "PodDisruptionBudgets, the annotation karpenter.sh/do-not-disrupt and the pods' own grace periods: a pod that "
            "would get less time than its own grace period is deleted that much earlier. Unset means to wait for as long as "
            "it takes."
        )
    ),
]
NODE_CLASS_REF_DESCRIPTION = "The object that says in which OVHcloud project, cluster and region nodes are created."


def duplicate_taints(spec: Any) -> bool | str:
    """Whether taints and startup taints name one key and effect twice."""
    seen: set[tuple[str, str]] = set()
    for taint in [*spec.get("taints", ()), *spec.get("startupTaints", ())]:
        pair = (taint["key"], taint["effect"])
        if pair in seen:
            return f"duplicate taint Key/Effect pair {pair[0]}={pair[1]}"
        seen.add(pair)
    return False
