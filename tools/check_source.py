"""Rules that the compilers and linters do not know: which floor may include what, how large a
file may be, how a header is guarded, which calls are banned. Prints FILE:LINE: RULE; exits 1 on
any finding. `check_source.py --self-test` proves that each rule can fail."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 500

FLOOR_DIRS = {
    "lib/base": "base", "lib/model": "model", "lib/io": "io", "lib/store": "store",
    "providers": "providers", "daemon": "daemon",
}
# What a floor may include besides itself. Floors not named here (tests, bench) may include all.
BELOW = {
    "base": set(),
    "model": {"base"},
    "providers": {"base", "model"},
    "io": {"base", "model"},
    "store": {"base", "model", "io"},
    "daemon": {"base", "model", "io", "store", "providers"},
}
# The parts of the daemon that a message passes; engine.c alone knows them all.
STAGES = {"intake", "resolve", "accept", "expand", "dispatch", "transfer", "record", "recover"}
# Third-party headers: in which files of the product they may be used.
LIBRARIES = [
    (re.compile(r"^hiredis/"), re.compile(r"^lib/io/redis_\w+\.c$|^lib/store/\w+\.c$"),
     "hiredis only in lib/io/redis_*.c and lib/store"),
    (re.compile(r"^curl/"), re.compile(r"^lib/io/(http|smtp)_\w+\.[ch]$"),
     "libcurl only in lib/io/http_* and smtp_*"),
    (re.compile(r"^event2?/|^event\.h$"), re.compile(r"^lib/io/|^daemon/admin\w*\.[ch]$"),
     "libevent only in lib/io and daemon/admin*"),
]
BANNED_CALLS = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|system|popen|"
    r"signal(?!\s*\(\s*\w+\s*,\s*SIG_IGN))\s*\(")
LEFTOVER = re.compile(r"\b(" + "TO" + r"DO|FIX" + r"ME)\b")
MACHINE_PATH = re.compile(r"(?<![\w./$}-])/(work|root|home/[a-z]+)/")
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')
TEXT_SUFFIXES = {".c", ".h", ".lua", ".py", ".sh", ".md", ".cmake", ".txt", ".yaml", ".service"}


def floor_of(path):
    return FLOOR_DIRS.get(str(pathlib.PurePosixPath(path).parent))


def blank(match):
    """Same number of lines, nothing else: line numbers stay true."""
    return re.sub(r"[^\n]", " ", match.group(0))


def code_only(text):
    """The text without comments and without what stands in string and character literals."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                  blank, text, flags=re.S)


class Checker:
    def __init__(self, files):
        self.files = files  # {relative posix path: text}
        self.findings = []
        self.guards = {}  # guard -> header
        self.headers = {}  # header's base name -> floor
        for path in files:
            if path.endswith(".h") and floor_of(path):
                self.headers[pathlib.PurePosixPath(path).name] = floor_of(path)

    def report(self, path, line, rule):
        self.findings.append(f"{path}:{line}: {rule}")

    def run(self):
        for path, text in sorted(self.files.items()):
            self.check_text(path, text)
            if path.endswith((".c", ".h")):
                self.check_shape(path, text)
                self.check_includes(path, text)
                if not path.startswith("tests/unit/"):  # a unit test feeds itself
                    self.check_calls(path, text)
        return self.findings

    def check_text(self, path, text):
        for number, line in enumerate(text.split("\n"), 1):
            if LEFTOVER.search(line):
                self.report(path, number, "leftover marker: do it or drop it")
            if MACHINE_PATH.search(line):
                self.report(path, number, "path of one machine")

    def check_shape(self, path, text):
        lines = text.split("\n")
        if len(lines) - 1 > MAX_LINES:
            self.report(path, len(lines) - 1, f"more than {MAX_LINES} lines")
        if not text.startswith("/*"):
            self.report(path, 1, "must begin with a comment that says what the file is for")
        if path.endswith(".h"):
            self.check_guard(path, text)

    def check_guard(self, path, text):
        stem = pathlib.PurePosixPath(path).stem.upper()
        found = re.search(r"^#ifndef (\w+)\n#define (\w+)", text, re.M)
        guard = found.group(1) if found and found.group(1) == found.group(2) else ""
        if not re.fullmatch(rf"SENDQ_(\w+_)?{re.escape(stem)}_H", guard):
            self.report(path, 1, f"header guard must be SENDQ_<room>_{stem}_H")
        elif self.guards.setdefault(guard, path) != path:
            self.report(path, 1, f"header guard {guard} is taken by {self.guards[guard]}")

    def check_includes(self, path, text):
        floor = floor_of(path)
        for number, line in enumerate(text.split("\n"), 1):
            match = INCLUDE.match(line)
            if match and floor:
                self.check_include(path, number, floor, match.group(1))

    def check_include(self, path, number, floor, name):
        for library, allowed, rule in LIBRARIES:
            if library.search(name) and not allowed.search(path):
                self.report(path, number, rule)
        target = self.headers.get(name)
        if target and target != floor and target not in BELOW[floor]:
            self.report(path, number, f"{floor} must not include {target}'s {name}")
        stem = pathlib.PurePosixPath(path).stem
        other = name.removesuffix(".h")
        if floor == "daemon" and path.endswith(".h") and stem in STAGES and \
                other in STAGES and other != stem:
            self.report(path, number, "a stage's header must not include another stage's")

    def check_calls(self, path, text):
        for number, line in enumerate(code_only(text).split("\n"), 1):
            for match in BANNED_CALLS.finditer(line):
                self.report(path, number, f"banned call: {match.group(1)}")


def project_files():
    skip = {"build", ".git", "__pycache__", ".pytest_cache", "corpus"}
    files = {}
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT)
        if skip & set(relative.parts) or not path.is_file():
            continue
        if path.suffix in TEXT_SUFFIXES or relative.name in ("run", "Doxyfile"):
            files[relative.as_posix()] = path.read_text(encoding="utf-8")
    return files


def self_test():
    header = "/* A. */\n#ifndef SENDQ_{0}_H\n#define SENDQ_{0}_H\n#endif\n"
    clean = {"lib/base/a.h": header.format("BASE_A"), "lib/io/b.h": header.format("IO_B"),
             "daemon/intake.h": header.format("DAEMON_INTAKE")}
    cases = {
        "must not include": {"lib/base/a.c": '/* A. */\n#include "b.h"\n'},
        "hiredis only": {"daemon/x.c": "/* X. */\n#include <hiredis/hiredis.h>\n"},
        "libcurl only": {"providers/x.c": "/* X. */\n#include <curl/curl.h>\n"},
        "libevent only": {"daemon/x.c": "/* X. */\n#include <event2/event.h>\n"},
        "another stage": {"daemon/record.h":
                          header.format("DAEMON_RECORD") + '#include "intake.h"\n'},
        "more than 500 lines": {"lib/base/a.c": "/* A. */\n" + "\n" * 500},
        "header guard": {"lib/base/c.h": header.format("BASE_A")},
        "is taken by": {"lib/model/a.h": header.format("BASE_A")},
        "must begin with": {"lib/base/a.c": "int x;\n"},
        "banned call": {"lib/base/a.c": "/* A. */\nint f(void) { return atoi(p); }\n"},
        "banned call: signal": {"lib/base/a.c": "/* A. */\nvoid f(void) { signal(SIGHUP, g); }\n"},
        "one machine": {"lib/base/a.c": '/* A. */\nchar *p = "/' + 'root/x";\n'},
        "leftover": {"lib/base/a.c": "/* TO" + "DO: more */\n"},
    }
    harmless = {"lib/base/a.c": '/* atoi(x) is banned. */\nint x = f("system(1)");\n'
                                "int y = my_signal(1) + a->signal(2);\n"
                                "void f(void) { signal(SIGPIPE, SIG_IGN); }\n"}
    wrong = Checker(clean | harmless).run()
    for rule, files in cases.items():
        if not any(rule in f for f in Checker(clean | files).run()):
            wrong.append(f"rule '{rule}' found nothing in its bad example")
    return wrong


def main(arguments):
    findings = self_test()
    if arguments != ["--self-test"]:
        findings += Checker(project_files()).run()
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
