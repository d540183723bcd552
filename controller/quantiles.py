"""Summaries with quantiles, which upstream's dashboards read and the Prometheus library does not have."""

from __future__ import annotations

import collections
import math
import threading
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, core, registry


class Quantiles(registry.Collector):
    """
    A summary with quantiles over the last `KEPT` observations, count and sum over all of them.
    """

    QUANTILES = (0.0, 0.5, 0.9, 0.99, 1.0)
    KEPT = 1000

    def __init__(self, name: str, text: str, labels: tuple[str, ...], into: CollectorRegistry) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, ...], collections.deque[float]] = {}
        self._totals: dict[tuple[str, ...], tuple[int, float]] = {}
        into.register(self)

    def observe(self, seconds: float, *values: str) -> None:
        """Take in one duration; `values` are those of the labels."""
        with self._lock:
            count, total = self._totals.get(values, (0, 0.0))
            self._totals[values] = count + 1, total + seconds
            self._seen.setdefault(values, collections.deque(maxlen=self.KEPT)).append(seconds)

    def describe(self) -> Iterable[core.Metric]:
        """The family without samples."""
        return [core.SummaryMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterator[core.Metric]:
        """Quantiles, count and sum of each set of labels."""
        family = core.SummaryMetricFamily(self._name, self._text, labels=self._labels)
        with self._lock:
            for values, seen in self._seen.items():
                labels = dict(zip(self._labels, values, strict=True))
                ordered = sorted(seen)
                for quantile in self.QUANTILES:
                    value = ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]
                    family.add_sample(self._name, {**labels, "quantile": f"{quantile:g}"}, value)
                count, total = self._totals[values]
                family.add_sample(f"{self._name}_count", labels, count)
                family.add_sample(f"{self._name}_sum", labels, total)
        yield family
