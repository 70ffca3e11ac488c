"""report.py JUNIT [SOAK.json] > docs/faults.md: the matrix with what each row came to.

report.py --tests: the tests of the matrix, below tests/."""
import json
import pathlib
import sys
import xml.etree.ElementTree as ET

from matrix import ROWS, tests

HEAD = """# Faults

What is broken on purpose, how far it may go, and what came of it. Nothing may be lost in any row;
`sendqctl fsck` must be clean after each fault test, and wherever an end-to-end test checks that all is recorded.

    ./run faults                        # all of this (about 30 minutes), and writes this page
    ./run faults soak [SECONDS [SEED]]  # random faults from a seed (60 s)

`./run test` does nearly all of it in shorter loops. The figures are those of the last run, of a build with sanitizers, on two cores: those of a
test's cases taken together (counts added up, of sizes and times the worst). "Bound": what was in flight, or leased, at the fault.

| | fault | target | tests | figures |
| --- | --- | --- | --- | --- |"""

TAIL = """
Elsewhere: each parser against libFuzzer (`./run fuzz`), a day under valgrind (`./run valgrind`). Longer than here: a bulk of a million by
`SENDQ_TEST_LEADS=1000000` (`e2e/test_bulk_control.py`), a soak of any length. What needs root, namespaces, strace, libfaketime or a clone's history says so
where it is missing, and is skipped. `tc netem` is tried and mostly absent from kernels of containers: a proxy between the daemon and Redis
delays, breaks and swallows instead.

What the figures do not say:

- A failover that loses writes loses pushes too: who pushes must push again under the same id. What was sent since the replica fell behind may be sent again, even
  where `uncertain: fail` forbids it: Redis has forgotten that it began.
- When the clock of Redis' host steps back, limits count on from the time it had before: capped senders wait until it is reached again.
- A daemon that is cut off from Redis sends what it has leased for at most `redis.timeout`, until it notices.
"""


class Case:
    def __init__(self, element):
        self.name = element.get("classname").replace(".", "/") + ".py::" + element.get("name")
        self.result = next((word for word in ("failure", "error", "skipped")
                            if element.find(word) is not None), "passed")
        self.figures = [p.get("value") for p in element.iter("property")
                        if p.get("name").startswith("figures")]


def cases_of(cases, test):
    found = [c for c in cases if c.name == f"tests/{test}" or c.name.startswith(
        (f"tests/{test}[", f"tests/{test}::"))]
    return found or sys.exit(f"report: no test ran for {test}")


def counted(cases):
    words = {"failure": "failed", "error": "failed"}
    results = [words.get(c.result, c.result) for c in cases]
    return ", ".join(f"{results.count(w)} {w}" for w in ("passed", "failed", "skipped")
                     if w in results)


def parsed(text):
    """{name: value} of "lost 0, kills 3", or of a dict's text."""
    items = text.strip("{}").replace("'", "").replace(": ", " ").split(", ")
    return dict(item.rsplit(" ", 1) for item in items)


def together(name, values):
    """One figure of all cases of a test: what was counted is added up, of a size or time the worst
    is told, of a word each."""
    if not all(v.replace(".", "", 1).isdigit() for v in values):
        return "/".join(sorted(set(values)))
    worst = name.endswith((" s", " ms", " kb")) or name.startswith(("most", "cap"))
    if worst or any("." in v for v in values):
        return max(values, key=float)
    return str(sum(map(int, values)))


def figures_of(cases):
    """The figures of each test, its cases taken together."""
    tests = {}
    for case in cases:
        for text in case.figures:
            found = tests.setdefault(case.name.split("[")[0], {})
            for name, value in parsed(text).items():
                found.setdefault(name, []).append(value)
    return [", ".join(f"{name} {together(name, values)}" for name, values in found.items())
            for found in tests.values()]


def row(number, cases, fault, target, names):
    ran = {c.name: c for name in names for c in cases_of(cases, name)}
    files = ", ".join(dict.fromkeys(f"`{n.split('::')[0]}`" for n in names))
    return (f"| {number} | {fault} | {target} | {files}: {counted(ran.values())} | "
            f"{'; '.join(figures_of(ran.values()))} |")


def soak_lines(path):
    s = json.loads(pathlib.Path(path).read_text())
    faults = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in s.pop("faults").items())
    rss, fds = s.pop("RSS KB"), s.pop("descriptors")
    said = ", ".join(f"{name} {value}" for name, value in s.items())
    return (f"\n**Soak**: {said}. Memory of a daemon that nobody kills: {rss[0]:.0f} KB in the second "
            f"third, {rss[1]:.0f} KB in the last. Descriptors: {fds[0]} at the start, {fds[1]} at the "
            f"end (idle connections), {fds[2]} at most. Faults: {faults}.")


def main(junit, soak=None):
    cases = [Case(e) for e in ET.parse(junit).getroot().iter("testcase")]
    print(HEAD)
    for number, (fault, target, names) in enumerate(ROWS, 1):
        print(row(number, cases, fault, target, names))
    if soak and pathlib.Path(soak).exists():
        print(soak_lines(soak))
    print(TAIL, end="")


if __name__ == "__main__":
    if sys.argv[1:] == ["--tests"]:
        print("\n".join(f"tests/{t}" for t in tests()))
    else:
        main(*sys.argv[1:])
