"""How often sendqd allocates per message, and where, by callgrind's count of calls."""
import re

from stages import FEW, MANY, callgrind

ALLOCATORS = ("malloc", "calloc", "realloc")
DEPTH = 5  # callers that are told apart
NAME = re.compile(r"^c?(fn|ob)=\((\d+)\)(?: (.*))?$")
LEAST = 0.05  # of sendqd's own, what is shown


def read_calls(path):
    """{"malloc'its caller'the caller's ...": calls} of an output file, and whose each name is."""
    names, calls, owners = {"fn": {}, "ob": {}}, {}, {}
    owner = callee = ""
    for line in path.read_text().splitlines():
        if match := NAME.match(line):
            kind, number, name = match.groups()
            name = names[kind].setdefault(number, name)
            if line.startswith("ob"):
                owner = name.rsplit("/", 1)[-1].split(".")[0]
            elif line.startswith("fn"):
                owners[name.split("'")[0]] = owner
            elif line.startswith("cfn"):
                callee = name
        elif line.startswith("calls=") and callee.split("'")[0] in ALLOCATORS:
            calls[callee] = calls.get(callee, 0) + int(line.split("=")[1].split()[0])
    return calls, owners


def owner_of(chain, owners):
    """Who wants the memory: the first caller that is not the C library itself."""
    for name in chain[1:]:
        if owners.get(name, "???") not in ("libc", "ld-linux-x86-64", "???"):
            return owners[name]
    return "libc"


def scenario_allocations(_bench, options):
    separate = [f"--separate-callers{DEPTH}={name}" for name in ALLOCATORS]
    (few, _), (many, owners) = (
        callgrind(options, options.build, "sendqd", n, read_calls, separate) for n in (FEW, MANY))
    result, own = {}, {}
    for callee, calls in many.items():
        chain = callee.split("'")
        if chain[1:2] and chain[1] in ALLOCATORS:
            continue  # realloc of nothing is counted already
        owner, each = owner_of(chain, owners), (calls - few.get(callee, 0)) / (MANY - FEW)
        result[owner] = result.get(owner, 0) + each
        if owner == "sendqd":
            own[" < ".join(re.sub(r"\.(lto_priv|part|isra|constprop)\.\d+", "", name)
                           for name in chain)] = each
    for name in sorted(own, key=own.get, reverse=True):
        if own[name] >= LEAST:
            print(f"{own[name]:6.2f}  {name}")
    return {name: round(each, 2) for name, each in sorted(result.items()) if each >= 0.01}
