"""Memory of what OVHcloud has refused: flavors that are out of stock in a zone, each until an instant."""

from dataclasses import dataclass

PATIENCE_SECONDS = 15 * 60
"""How long a flavor that was out of stock is not asked for again."""

GPU_PATIENCE_SECONDS = 60 * 60
"""The same for GPU flavors: their machines take 40 to 80 minutes to start, and stock moves as slowly."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Until when a flavor is not to be asked for, in the caller's seconds, and why."""

    until: float
    reason: str


class Unavailable:
    """
    Flavors that cannot be had in a zone at the moment.

    All instants are seconds of one clock of the caller's choice; nothing here reads a clock. A mark holds before its
    instant and no longer at it.
    """

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str], Mark] = {}

    def mark(self, flavor: str, zone: str, until: float, reason: str) -> None:
        """Note a refusal; a mark that lasts longer stays as it is."""
        known = self._marks.get((flavor, zone))
        if known is None or known.until < until:
            self._marks[flavor, zone] = Mark(until, reason)

    def forget(self, flavor: str, zone: str) -> None:
        """Drop a mark, for instance because a machine has come after all."""
        self._marks.pop((flavor, zone), None)

    def reason(self, flavor: str, zone: str, now: float) -> str | None:
        """Reason of the mark that holds, None when there is none."""
        known = self._marks.get((flavor, zone))
        return known.reason if known is not None and now < known.until else None

    def pairs(self, now: float) -> frozenset[tuple[str, str]]:
        """All (flavor, zone) whose mark holds, as `Catalogue.offerings` takes them."""
        return frozenset(pair for pair, known in self._marks.items() if now < known.until)

    def expire(self, now: float) -> frozenset[tuple[str, str]]:
        """Drop the marks that no longer hold and return their (flavor, zone)."""
        over = frozenset(pair for pair, known in self._marks.items() if known.until <= now)
        for pair in over:
            del self._marks[pair]
        return over


def patience(gpus: int) -> int:
    """Seconds that a flavor with so many GPUs is left alone after it was out of stock."""
    return GPU_PATIENCE_SECONDS if gpus else PATIENCE_SECONDS
