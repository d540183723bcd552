"""Answers that are spoilt on order: each fault says which requests, how often, and what they get.

====================  =================================================================================================
``throttle``          429 before acting, ``retry_after`` seconds in the header if given
``html``              a gateway's page with ``status`` (502), before acting, or after it with ``acted``
``error``             a JSON error with ``status``, ``code`` and ``message``, before acting, or after it with ``acted``
``cut``               acts, then closes the connection without an answer (``acted`` false: does not act)
``hang``              acts, says nothing for ``seconds`` of real time, then closes the connection
``empty``             acts and answers ``{}``
``stale``             reads are answered as they would have been when the fault was ordered
``deny``              403: the right for this call is missing
``busy``              400: the pool is UPSCALING, whatever it is
====================  =================================================================================================
"""

from __future__ import annotations

import itertools
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from controller.simulator import auth, state

Kind = Literal["throttle", "html", "error", "cut", "hang", "empty", "stale", "deny", "busy"]


class Fault(BaseModel):
    """One order; ``method`` and ``path`` may hold ``*`` for any text, ``count`` None is for ever."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    method: str = "*"
    path: str = "*"
    count: int | None = Field(default=1, ge=1)
    status: int = Field(default=502, ge=400, le=599)
    code: str = "Server::InternalServerError"
    message: str = "Internal Server Error"
    retry_after: float | None = Field(default=None, ge=0)
    seconds: float = Field(default=60.0, ge=0)
    acted: bool | None = None

    _past: state.Simulation | None = PrivateAttr(default=None)

    @property
    def past(self) -> state.Simulation | None:
        """The world as it was when a ``stale`` fault was ordered."""
        return self._past

    @property
    def acts(self) -> bool:
        """Whether the request is carried out although its answer is spoilt."""
        if self.kind in ("throttle", "deny", "busy"):
            return False
        if self.kind in ("html", "error"):
            return bool(self.acted)
        return self.acted is not False

    def remember(self, past: state.Simulation) -> None:
        """Keep the world for a ``stale`` fault."""
        self._past = past


class Faults:
    """The orders in force, oldest first."""

    def __init__(self) -> None:
        self._orders: dict[int, Fault] = {}
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> int:
        """Put an order in force; its id."""
        number = next(self._ids)
        self._orders[number] = fault
        return number

    def remove(self, number: int) -> bool:
        """Withdraw an order; False when there is none of that id."""
        return self._orders.pop(number, None) is not None

    def clear(self) -> None:
        """Withdraw all."""
        self._orders.clear()

    def listed(self) -> list[dict[str, Any]]:
        """The orders with their ids and what is left of their counts."""
        return [{"id": number, **fault.model_dump()} for number, fault in self._orders.items()]

    def take(self, method: str, path: str) -> Fault | None:
        """The oldest order for this request, one use of it consumed."""
        for number, fault in self._orders.items():
            if fault.kind == "stale" and method != "GET":
                continue
            if auth.matches(fault.method, method) and auth.matches(fault.path, path):
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count == 0:
                        del self._orders[number]
                return fault
        return None
