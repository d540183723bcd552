"""What was refused is not asked for again until its time is over."""

from catalog import unavailable


def test_a_mark_holds_until_its_instant():
    """For its flavor and zone only, before the instant and no longer at it."""
    memory = unavailable.Unavailable()
    memory.mark("b3-8", "nova", 900.0, "FLAVOR_OUT_OF_STOCK_ERROR")

    assert memory.reason("b3-8", "nova", 0.0) == "FLAVOR_OUT_OF_STOCK_ERROR"
    assert memory.reason("b3-8", "nova", 899.9) == "FLAVOR_OUT_OF_STOCK_ERROR"
    assert memory.reason("b3-8", "eu-west-par-a", 0.0) is None
    assert memory.reason("b3-16", "nova", 0.0) is None
    assert memory.reason("b3-8", "nova", 900.0) is None


def test_the_longer_mark_stands():
    """A later refusal extends a mark, a shorter one does not cut it."""
    memory = unavailable.Unavailable()
    memory.mark("b3-8", "nova", 900.0, "first")
    memory.mark("b3-8", "nova", 600.0, "shorter")
    assert memory.reason("b3-8", "nova", 700.0) == "first"

    memory.mark("b3-8", "nova", 1200.0, "longer")
    assert memory.reason("b3-8", "nova", 1000.0) == "longer"


def test_pairs_and_expiry():
    """All that holds can be listed, what is over is dropped and named."""
    memory = unavailable.Unavailable()
    memory.mark("b3-8", "nova", 900.0, "stock")
    memory.mark("t2-45", "nova", 3600.0, "stock")

    assert memory.pairs(0.0) == {("b3-8", "nova"), ("t2-45", "nova")}
    assert memory.pairs(900.0) == {("t2-45", "nova")}
    assert memory.expire(0.0) == frozenset()
    assert memory.expire(1000.0) == {("b3-8", "nova")}
    assert memory.expire(1000.0) == frozenset()


def test_forgetting():
    """A machine that came after all lifts the mark; forgetting what is not marked is nothing."""
    memory = unavailable.Unavailable()
    memory.mark("b3-8", "nova", 900.0, "stock")
    memory.forget("b3-8", "nova")
    memory.forget("b3-8", "nova")

    assert memory.reason("b3-8", "nova", 0.0) is None


def test_gpu_flavors_are_left_alone_for_longer():
    """An hour instead of a quarter."""
    assert unavailable.patience(gpus=0) == 900
    assert unavailable.patience(gpus=4) == 3600
