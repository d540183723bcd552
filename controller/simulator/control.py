"""The operator's side: faults, the clock, quota, stock, habits, single nodes, and what was called. Loopback only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from controller.ovh import rights
from controller.simulator import bodies, clock, faults, model, routes, rules, store

if TYPE_CHECKING:
    from controller.simulator import server


@dataclass(frozen=True)
class Order:
    """What an operator wants: ``params`` from the path, ``body`` decoded, ``query`` with one value per name."""

    simulator: server.Simulator
    params: Mapping[str, str]
    body: Any
    query: Mapping[str, str]


Handler = Callable[[Order], Any]

_ROUTES: list[tuple[routes.Route, Handler, str]] = []

_HABITS = TypeAdapter(model.Habits)
_TIMINGS = TypeAdapter(model.Timings)
_QUOTA = TypeAdapter(model.Quota)
_NUMBER = TypeAdapter(float)
_COUNT = TypeAdapter(int)


def find(method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
    """The handler of a control route and the values in its path."""
    for route, handler, _ in _ROUTES:
        params = route.match(method, path)
        if params is not None:
            return handler, params
    return None


def listed() -> list[tuple[str, str]]:
    """Method and path of each control route, and what it does."""
    return [(f"{route.method} {route.path}", purpose) for route, _, purpose in _ROUTES]


def _on(method: str, path: str, purpose: str) -> Callable[[Handler], Handler]:
    def add(handler: Handler) -> Handler:
        _ROUTES.append((routes.Route(method, path, lambda _: None), handler, purpose))
        return handler

    return add


@_on("GET", "/control", "this list")
def _help(_order: Order) -> Any:
    return [{"route": route, "does": purpose} for route, purpose in listed()]


@_on("GET", "/control/state", "everything that is remembered")
def _state(order: Order) -> Any:
    return store.dump(order.simulator.sim.world)


@_on("GET", "/control/clock", "the time, the speed, when something happens next")
def _time(order: Order) -> Any:
    now = order.simulator.clock.now()
    speed = order.simulator.clock.speed if isinstance(order.simulator.clock, clock.RunningClock) else 0.0
    following = order.simulator.sim.next_event
    return {
        "now": now,
        "time": bodies.moment(now),
        "speed": speed,
        "next": None if following is None else following - now,
    }


@_on("POST", "/control/clock", 'move it: {"advance": seconds}, or run it: {"speed": 60}')
def _move(order: Order) -> Any:
    wanted = _fields(order.body, {"advance", "speed"})
    if "advance" in wanted:
        seconds = _checked(_NUMBER, wanted["advance"], "advance")
        if seconds < 0:
            raise rules.bad("advance: time does not run backwards")
        order.simulator.clock.advance(seconds)
    if "speed" in wanted:
        if not isinstance(order.simulator.clock, clock.RunningClock):
            raise rules.bad("speed: this clock moves only by advance; start without --manual-clock")
        order.simulator.clock.run_at(_checked(_NUMBER, wanted["speed"], "speed"))
    order.simulator.sim.advance(order.simulator.clock.now())
    return _time(order)


@_on("GET", "/control/calls", "the calls to the API so far; ?after=NUMBER for the later ones")
def _calls(order: Order) -> Any:
    after = _checked(_COUNT, order.query.get("after", "0"), "after")
    return [call for call in order.simulator.calls if call["number"] > after]


@_on("DELETE", "/control/calls", "forget the calls")
def _forget(order: Order) -> Any:
    order.simulator.calls.clear()


@_on("GET", "/control/faults", "the faults in force")
def _faults(order: Order) -> Any:
    return order.simulator.faults.listed()


@_on("POST", "/control/faults", 'order a fault: {"kind": "throttle", "method": "PUT", "path": "*", "count": 2, …}')
def _order(order: Order) -> Any:
    try:
        fault = faults.Fault.model_validate(order.body)
    except ValidationError as error:
        raise _invalid("fault", error) from None
    if fault.kind == "stale":
        fault.remember(order.simulator.freeze())
    return {"id": order.simulator.faults.add(fault)}


@_on("DELETE", "/control/faults", "withdraw all faults")
def _withdraw_all(order: Order) -> Any:
    order.simulator.faults.clear()


@_on("DELETE", "/control/faults/{id}", "withdraw a fault")
def _withdraw(order: Order) -> Any:
    if not order.simulator.faults.remove(_checked(_COUNT, order.params["id"], "id")):
        raise model.Refusal(404, "Client::NotFound", f"fault {order.params['id']} is not in force")


@_on("GET", "/control/habits", "the switches for what OVH does not document")
def _habits(order: Order) -> Any:
    return dataclasses.asdict(order.simulator.sim.world.habits)


@_on("PATCH", "/control/habits", 'turn some: {"node_flavor": "uuid"}')
def _turn(order: Order) -> Any:
    order.simulator.sim.world.habits = _changed(_HABITS, order.simulator.sim.world.habits, order.body)
    return _habits(order)


@_on("GET", "/control/timings", "how long things take, in seconds")
def _timings(order: Order) -> Any:
    return dataclasses.asdict(order.simulator.sim.world.timings)


@_on("PATCH", "/control/timings", 'change some: {"boot": [30, 30], "hidden": [0, 120]}')
def _retime(order: Order) -> Any:
    order.simulator.sim.world.timings = _changed(_TIMINGS, order.simulator.sim.world.timings, order.body)
    return _timings(order)


@_on("PATCH", "/control/quota/{region}", 'change a quota: {"cores": 34, "other_cores": 8}; below zero is no limit')
def _quota(order: Order) -> Any:
    quotas = order.simulator.sim.world.quotas
    if order.params["region"] not in quotas:
        raise model.Refusal(404, "Client::NotFound", f"region {order.params['region']} does not exist")
    quotas[order.params["region"]] = _changed(_QUOTA, quotas[order.params["region"]], order.body)
    return bodies.quota(order.simulator.sim, order.params["region"])


@_on("PUT", "/control/stock", 'machines left: {"flavor": "b3-16", "zone": "nova", "left": 0}; null is plenty')
def _stock(order: Order) -> Any:
    wanted = _fields(order.body, {"flavor", "zone", "left"})
    world = order.simulator.sim.world
    flavor = str(wanted.get("flavor"))
    if flavor not in order.simulator.sim.shop.flavors:
        raise rules.bad(f"flavor: {flavor!r} is not sold here")
    zones = {zone for cluster in world.clusters.values() for zone in cluster.zones or ("nova",)}
    for zone in [wanted["zone"]] if "zone" in wanted else sorted(zones):
        if wanted.get("left") is None:
            world.stock.pop(f"{flavor}@{zone}", None)
        else:
            world.stock[f"{flavor}@{zone}"] = _checked(_COUNT, wanted["left"], "left")
    return world.stock


@_on("PUT", "/control/rights", 'what the credentials may: {"rules": ["GET /cloud/*"]}, or {"least": true}')
def _rights(order: Order) -> Any:
    wanted = _fields(order.body, {"rules", "least"})
    order.simulator.gate.granted = (
        least(order.simulator.sim.world) if wanted.get("least") else _rules(wanted.get("rules"))
    )
    return [f"{method} {path}" for method, path in order.simulator.gate.granted]


@_on("PUT", "/control/auth", 'OVH\'s clock and tokens: {"skew": 600, "revoke": true}')
def _auth(order: Order) -> Any:
    wanted = _fields(order.body, {"skew", "revoke"})
    if "skew" in wanted:
        order.simulator.gate.skew = _checked(_NUMBER, wanted["skew"], "skew")
    if wanted.get("revoke"):
        order.simulator.gate.tokens.clear()
    return {"skew": order.simulator.gate.skew, "tokens": len(order.simulator.gate.tokens)}


@_on("POST", "/control/stillborn", 'the next nodes never join: {"count": 1, "flavor": "b3-8"}')
def _stillborn(order: Order) -> Any:
    wanted = _fields(order.body, {"count", "flavor"})
    wanted["count"] = _checked(_COUNT, wanted.get("count", 1), "count")
    order.simulator.sim.world.stillborn.append(wanted)
    return order.simulator.sim.world.stillborn


@_on("POST", "/control/nodes/{id}/break", "its kubelet falls silent; auto-repair follows")
def _break(order: Order) -> Any:
    order.simulator.sim.break_node(order.params["id"])


@_on("POST", "/control/nodes/{id}/exchange", "auto-repair at once")
def _exchange(order: Order) -> Any:
    order.simulator.sim.exchange_node(order.params["id"])


@_on("POST", "/control/nodes/{id}/lose", "as if its Node object had been deleted")
def _lose(order: Order) -> Any:
    order.simulator.sim.object_seen(order.params["id"])
    order.simulator.sim.object_lost(order.params["id"])


@_on("POST", "/control/nodes/{id}/fail", 'put it into a state for good: {"status": "ERROR"}')
def _fail(order: Order) -> Any:
    order.simulator.sim.fail_node(order.params["id"], str(_fields(order.body, {"status"}).get("status", "ERROR")))


def least(world: model.World) -> tuple[tuple[str, str], ...]:
    """The rules that the controller's documentation asks for, for all clusters."""
    needed = {
        (right.method, right.path) for cluster in world.clusters for right in rights.needed(world.project, cluster)
    }
    return tuple(sorted(needed))


def _rules(texts: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(texts, list) or not all(isinstance(text, str) and " " in text for text in texts):
        raise rules.bad('rules: a list like ["GET /cloud/*"] is wanted')
    pairs = [text.split(" ", 1) for text in texts]
    return tuple((method, path) for method, path in pairs)


def _fields(body: Any, known: set[str]) -> dict[str, Any]:
    if not isinstance(body, dict) or not body:
        raise rules.bad(f"an object with some of {', '.join(sorted(known))} is wanted")
    for name in body:
        if name not in known:
            raise rules.bad(f"{name} is not known here; known are {', '.join(sorted(known))}")
    return dict(body)


def _changed(adapter: TypeAdapter[Any], old: Any, body: Any) -> Any:
    known = {each.name for each in dataclasses.fields(old)}
    try:
        return adapter.validate_python(dataclasses.asdict(old) | _fields(body, known))
    except ValidationError as error:
        raise _invalid("value", error) from None


def _checked(adapter: TypeAdapter[Any], value: Any, name: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise _invalid(name, error) from None


def _invalid(name: str, error: ValidationError) -> model.Refusal:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or name
    return rules.bad(f"{where}: {first['msg']}")
