"""The controller's settings: flags and environment, where a flag goes before its variable."""

from __future__ import annotations

import dataclasses
from typing import Literal

from crds import duration

Placement = Literal["reserve", "nominate", "none"]


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, apart from credentials. Durations are seconds."""

    batch_idle: float = 1.0
    batch_max: float = 10.0
    preference_policy: Literal["Respect", "Ignore"] = "Respect"
    min_values_policy: Literal["Strict", "BestEffort"] = "Strict"
    feature_gates: dict[str, bool] = dataclasses.field(default_factory=dict)
    log_level: str = "info"
    log_format: Literal["json", "text"] = "json"
    metrics_port: int = 8080
    health_probe_port: int = 8081
    cluster_state_observability: bool = True
    leader_election: bool = True
    leader_election_name: str = "karpenter-leader-election"
    namespace: str = "karpenter"
    service_name: str = ""
    kube_id: str = ""
    region: str = ""
    installation: str = "karpenter-ovhcloud"
    placement: Placement = "reserve"
    dry_run: bool = False
    solve_time_limit: float = 5.0
    seed: int = 0
    workers: int = 2
    ovh_request_rate: float = 1.0
    ovh_request_burst: int = 5
    ovh_poll_interval: float = 5.0
    ovh_idle_interval: float = 60.0
    ovh_settle_time: float = 150.0
    validation_delay: float = 15.0
    disruption_interval: float = 10.0
    registration_timeout: float = 15 * 60.0
    gpu_registration_timeout: float = 80 * 60.0
    launch_timeout: float = 5 * 60.0
    empty_pool_after: float = 120.0
    orphan_after: float = 120.0
    reservation_timeout: float = 30.0
    node_class_interval: float = 60.0
    catalog_interval: float = 6 * 3600.0
    drained_delay: float = 5.0

    def shown(self) -> dict[str, object]:
        """All settings by name, for the log at start; none of them is a secret."""
        return dataclasses.asdict(self)


def parse_gates(text: str) -> dict[str, bool]:
    """
    Feature gates such as `StaticCapacity=true,NodeRepair=false`; unknown names are kept and do nothing.

    Raises ValueError in one sentence.
    """
    gates = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or value not in ("true", "false"):
            raise ValueError(f'feature gate "{part}" is not NAME=true or NAME=false')
        gates[name] = value == "true"
    return gates


def parse_seconds(text: str) -> float:
    """
    A duration such as 1s, 1m30s or 500ms, or a plain number of seconds.

    Raises ValueError in one sentence.
    """
    try:
        if text.endswith("ms"):
            return float(text[:-2]) / 1000
        return float(text)
    except ValueError:
        pass
    try:
        return float(duration.parse_duration(text))
    except duration.DurationError as error:
        raise ValueError(f'"{text}" is no duration: {error}') from None
