"""Random draws of the simulation: each follows from the world's seed and a counter that the world remembers."""

from __future__ import annotations

import random
import uuid

from controller.simulator import model

_FIRST_STAMP = 0x0199_A1B2_0000


def _fresh(world: model.World) -> random.Random:
    world.draws += 1
    return random.Random(f"{world.seed}/{world.draws}")


def span(world: model.World, of: model.Range) -> float:
    """Seconds out of a range."""
    return _fresh(world).uniform(*of)


def letters(world: model.World, count: int) -> str:
    """Letters and digits as Cluster API puts them into names."""
    return "".join(_fresh(world).choices("bcdfghjklmnpqrstvwxz2456789", k=count))


def hexadecimal(world: model.World, count: int) -> str:
    """Hexadecimal digits."""
    return f"{_fresh(world).getrandbits(4 * count):0{count}x}"


def identifier(world: model.World) -> str:
    """An ordered UUID in the form of version 7, as OVH's newer ids are; a counter stands for the time."""
    dice = _fresh(world)
    stamp = _FIRST_STAMP + world.draws
    number = stamp << 80 | 7 << 76 | dice.getrandbits(12) << 64 | 2 << 62 | dice.getrandbits(62)
    return str(uuid.UUID(int=number))
