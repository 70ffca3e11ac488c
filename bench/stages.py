"""Instructions per message, by callgrind: the same on a busy machine, so that a regression shows."""
import pathlib
import re
import subprocess

from rig import Rig, RigError
from stand import SERVER_CPU, Bench

FEW, MANY = 1000, 3000
# What a stage is in sendqd: a function, with all that it calls.
STAGES = {"parse": "job_parse", "pack": "message_pack", "unpack": "message_unpack",
          "build": "sandbox_build", "start": "http_multi_start", "classify": "sandbox_classify",
          "answer": "job_answer", "record": "record_outcome"}
LINE = re.compile(r"^\s*([\d,]+) \(\s*[\d.]+%\)\s+(\S+)")


def annotated(path):
    """Instructions by function, inclusive; "PROGRAM" is the whole."""
    text = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", "--inclusive=yes",
                           path], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        if match := LINE.match(line):
            name = re.sub(r"\.(lto_priv|part|isra|constprop)\.\d+", "", match[2].split(":")[-1])
            found[name] = max(found.get(name, 0), int(match[1].replace(",", "")))
    return found


def callgrind(options, build, of, count, read=annotated, more=()):
    """What `read` finds in one run of `count` messages with sendqd or Redis (`of`) under callgrind."""
    with Rig(build) as rig:
        out = rig.dir / "callgrind.out"
        rig.wrap[of] = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *more]
        bench = Bench(rig, options)
        bench.patience = 10
        bench.start(rig.nginx(cpu=SERVER_CPU).url)
        bench.run_jobs(count)
        rig.stop(bench.sendqd)
        if of == "redis":
            bench.redis.shutdown(nosave=True)
            rig.processes["redis"].wait(60)
        return read(out)


def per_message(options, build):
    """Without what starting and stopping costs: the difference of two runs."""
    result = {}
    for of in ("sendqd", "redis"):
        few, many = (callgrind(options, build, of, n) for n in (FEW, MANY))
        stages = {"all": "PROGRAM"} | (STAGES if of == "sendqd" else {})
        for stage, name in stages.items():
            if name in many:
                result[f"{of}_{stage}"] = round((many[name] - few.get(name, 0)) / (MANY - FEW))
    return result


def build_of(revision):
    """A release build of another revision, kept below build/."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--verify", f"{revision}^{{commit}}"],
                                check=True, capture_output=True, text=True).stdout.strip()
    except subprocess.CalledProcessError as error:
        raise RigError(f"'{revision}' is no revision") from error
    tree = pathlib.Path("build/compare") / commit[:12]
    if not tree.exists():
        archive = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
        tree.mkdir(parents=True)
        subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
    for words in (["--preset", "release"],
                  ["--build", "--preset", "release", "--target", "sendqd", "sendqctl"]):
        done = subprocess.run(["cmake", *words], cwd=tree, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise RigError(f"build of {revision}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return tree / "build/release"


def scenario_stages(_bench, options):
    ours = per_message(options, options.build)
    if not options.compare:
        return ours
    theirs = per_message(options, build_of(options.compare))
    result = {"compared_with": options.compare}
    for key, value in ours.items():
        result[key] = value
        if theirs.get(key):
            result[f"{key}_ratio"] = round(value / theirs[key], 3)
    return result
