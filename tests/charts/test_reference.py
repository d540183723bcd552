"""The configuration reference is that of the models and flags as they are."""

import pytest

from tests.charts import reference


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_page_is_current(name):
    """The page on disk is what would be written now."""
    current = (reference.FOLDER / name).read_text() == reference.pages()[name]
    assert current, f"docs/reference/{name} is old: run python -m tests.charts.reference"
