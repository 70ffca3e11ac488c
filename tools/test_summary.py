"""Adds up JUnit files: one line per suite, the failures by name, one line for all.

Exits 1 when a test failed. A suite that left no result or ran no test counts as one failure.
"""
import pathlib
import sys
import xml.etree.ElementTree as ET


def read_suite(path):
    """(passed, failed names, skipped) of one JUnit file."""
    passed, failed, skipped = 0, [], 0
    for case in ET.parse(path).getroot().iter("testcase"):
        name = "::".join(n for n in (case.get("classname"), case.get("name")) if n)
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(paths):
    total_passed, total_failed, total_skipped = 0, 0, 0
    print("== summary")
    for path in map(pathlib.Path, paths):
        try:
            passed, failed, skipped = read_suite(path)
        except (OSError, ET.ParseError) as error:
            print(f"{path.stem}: no result ({error})")
            total_failed += 1
            continue
        if passed + len(failed) == 0:
            print(f"{path.stem}: ran no test")
            total_failed += 1
        for name in failed:
            print(f"{path.stem}: FAILED {name}")
        print(f"{path.stem}: {passed} passed, {len(failed)} failed, {skipped} skipped")
        total_passed += passed
        total_failed += len(failed)
        total_skipped += skipped
    print(f"{total_passed} passed, {total_failed} failed, {total_skipped} skipped")
    return 1 if total_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
