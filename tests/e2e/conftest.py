"""The control plane that most tests here share, and its logs where one of them fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.e2e import controlplane
from tests.e2e.controlplane import binaries


@pytest.fixture(scope="session")
def control_plane_built() -> None:
    """For tests that start a control plane of their own: skips with one line where that cannot be done."""
    missing = binaries.missing()
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def control_plane(control_plane_built: None, request: pytest.FixtureRequest) -> Iterator[controlplane.ControlPlane]:
    """A whole cluster, shared by the session: each test uses a namespace of its own and removes its nodes."""
    with controlplane.ControlPlane() as plane:
        yield plane
        plane.keep_logs = request.session.testsfailed > 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Name the logs of the control planes that a failed test used; say only once that there can be none."""
    report = yield
    if report.failed:
        for used in getattr(item, "funcargs", {}).values():
            if isinstance(used, controlplane.ControlPlane):
                used.keep_logs = True
                report.sections.append(("control plane", f"logs: {used.logs}"))
    if report.skipped and isinstance(report.longrepr, tuple) and binaries.missing():
        # Skips of one place and reason are one line of the summary, however many there are.
        report.longrepr = (str(binaries.SCRIPT), 1, report.longrepr[2])
    return report
