"""What tests tell in numbers."""
import pytest


@pytest.fixture
def figure(record_property):
    """figure(lost=0, ...): what a fault came to; shown when all is over, and in the report."""
    def tell(**figures):
        record_property("figures", ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in figures.items()))
    return tell


def pytest_terminal_summary(terminalreporter):
    reports = [r for r in terminalreporter.stats.get("passed", []) if r.when == "call"]
    lines = [f"{r.nodeid.removeprefix('tests/')}: {value}" for r in reports
             for name, value in r.user_properties if name.startswith("figures")]
    if lines:
        terminalreporter.section("figures")
    for line in sorted(lines):
        terminalreporter.write_line(line)
