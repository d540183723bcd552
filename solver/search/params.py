"""What a search is given and what it answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from solver import plan as plans
from solver import problem as problems


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """
    A report while searching: seconds so far, and micro-euro per hour of the best solution and of the bound (None: none
    yet).
    """

    seconds: float
    cost: int | None
    bound: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Params:
    """
    Arguments of a search.

    `clock` gives seconds, monotonic. With `deterministic` it is never asked: effort is counted in rounds instead.
    `stop` is asked often; once it is true the best solution so far is returned. `gap` is good enough. `warm` is a
    solution to start from. `finish` is what naming and checking the answer will take, in times of what putting a solution
    together and judging it takes here; that much is set aside once it is measured. Money in micro-euro per hour.
    """

    clock: Callable[[], float]
    time_limit: float = 5.0
    seed: int = 0
    deterministic: bool = False
    workers: int = 2
    gap: float = 0.0
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[Progress], None] = lambda _: None
    warm: problems.Solution | None = None
    finish: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """
    The answer of a search. `bound` is what new nodes cost at least, without charges and minus what removed nodes save,
    in any solution that is as good in the fields of `Value` before the cost; None when unknown. `optimal` is proved for
    the whole value. `columns` counts the patterns looked at. `strategy` names what found the solution. It took
    `seconds`, less than its phases together where these ran side by side.
    """

    solution: problems.Solution
    value: problems.Value
    bound: int | None
    optimal: bool
    phases: tuple[plans.Phase, ...]
    columns: int
    strategy: str
    seconds: float = 0.0


class Budget:
    """Time left of `limit` seconds, or rounds left when deterministic."""

    ROUNDS_PER_SECOND = 12

    def __init__(self, params: Params) -> None:
        self.params = params
        self.limit = params.time_limit
        self.started = 0.0 if params.deterministic else params.clock()
        self.rounds = 0.0
        self.aside = 0.0

    def seconds(self) -> float:
        """Seconds since the start; 0 when deterministic."""
        return 0.0 if self.params.deterministic else self.params.clock() - self.started

    def spent(self) -> float:
        """Share of the budget that is spent, 0 to 1 and beyond."""
        if self.params.deterministic:
            return self.rounds / max(1.0, self.limit * self.ROUNDS_PER_SECOND)
        return self.seconds() / max(self.limit, 1e-9)

    def used(self) -> float:
        """Seconds that went by, by rounds when deterministic."""
        return self.limit * self.spent()

    def left(self) -> float:
        """Seconds left of the limit, by rounds when deterministic."""
        return max(0.0, self.limit * (1.0 - self.spent()))

    def seconds_until(self, share: float) -> float | None:
        """Seconds left until this share of the budget is spent; None when deterministic."""
        return None if self.params.deterministic else max(0.0, self.limit * (share - self.spent()))

    def part(self, share: float) -> float:
        """The share of the budget that is spent once this `share` of what is left is gone."""
        return self.spent() + share * (1 - self.spent())

    def set_aside(self, seconds: float) -> None:
        """Take seconds for what comes after the search off the limit, in place of those taken off before."""
        seconds = min(seconds, self.limit + self.aside)
        self.limit, self.aside = self.limit + self.aside - seconds, seconds

    def over(self, share: float = 1.0) -> bool:
        """Whether this share of the budget is spent, or the caller wants to stop."""
        return self.params.stop() or self.spent() >= share

    def tick(self, rounds: float = 1.0) -> None:
        """Count rounds of work; one takes about a twelfth of a second."""
        self.rounds += rounds
