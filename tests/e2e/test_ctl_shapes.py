"""Every noun and verb of sendqctl with --json, against a live daemon: its exit code, and that each
member it prints has the name and type that docs/sendqctl.md gives it."""
import json
import re
import subprocess

from support import BIN, ROOT, body, envelope, new_id, sanitizer_env

NAME_AND_VALUE = re.compile(r'"(\w+)": ("|\{|\[|-?\d|true|false)')
TYPES = {'"': str, "{": dict, "[": list, "t": bool, "f": bool}


def sendqctl(*arguments, stdin="", code=0):
    done = subprocess.run([str(BIN / "sendqctl"), *arguments], input=stdin, text=True, timeout=60,
                          capture_output=True, env=sanitizer_env(), check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout


def verbs_there_are():
    """(noun, verb) as the help has them; the verb of a noun that acts itself is ""."""
    nouns = re.search(r"nouns:\n((?:  .*\n)+)", sendqctl("--help")).group(1)
    found = set()
    for noun in re.findall(r"^  (\w+)", nouns, re.M):
        usage = sendqctl(noun, "--help").split("usage:\n")[1].split("\n\n")[0]
        verbs = re.findall(rf"^  sendqctl {noun} ([a-z]+)\b", usage, re.M) or [""]
        found |= {(noun, verb) for verb in verbs}
    return found


def documented(noun):
    """Types by member name in the examples of a noun's section; and whether they leave some out."""
    text = (ROOT / "docs/sendqctl.md").read_text()
    section = re.search(rf"^## {noun}\b.*?(?=^## |\Z)", text, re.M | re.S)
    assert section, f"docs/sendqctl.md has no section on {noun}"
    examples = "\n".join(re.findall(r"^    .*$", section.group(0), re.M))
    types = {}
    for name, begin in NAME_AND_VALUE.findall(examples):
        types.setdefault(name, set()).add(TYPES.get(begin[0], (int, float)))
    for name in re.findall(r"`(\w+)`", section.group(0)):  # told of in the text alone
        types.setdefault(name, {object})
    return types, ", ...," in examples or noun in ("message", "dead", "leads", "template", "events")


def check(noun, value, types, open_ended):
    """Every member, at any depth, is documented with its type; names that are data are not."""
    if isinstance(value, list):
        for item in value:
            check(noun, item, types, open_ended)
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name in types:
            assert any(isinstance(inner, t) for t in types[name]), (noun, name, inner, types[name])
        else:
            assert open_ended, f"{noun} prints {name}, which docs/sendqctl.md does not name"
        if name not in ("ready", "provider", "channel", "sender", "metadata", "response"):
            check(noun, inner, types, open_ended)


def test_every_verb_prints_what_is_documented(stand, tmp_path):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    stand.start([stand.sender(limits={"day": "100/day"})], events="all")
    config = tmp_path / "ctl.yaml"
    config.write_text(json.dumps(stand.config()))
    failed = [new_id() for _ in range(3)]
    good, = stand.push(envelope())
    stand.push(*[envelope(body("bad@example.com"), id=i) for i in failed], "no job", "none either")
    stand.wait_final([good, *failed])
    stand.wait_rejected(2)
    rejected = [i for i, _ in stand.redis.xrange(stand.key("rejected"))]
    job = tmp_path / "job.json"
    job.write_text(json.dumps(body()))
    leads = tmp_path / "leads.csv"
    leads.write_text("id,email\nl1,a@example.com\n")
    template = tmp_path / "t.txt"
    template.write_text("Hello {{first_name}}")

    # In this order: some undo what others need.
    calls = {
        ("push", ""): [str(job)],
        ("validate", ""): [str(job)],
        ("message", ""): [good],
        ("status", ""): [],
        ("queue", ""): [],
        ("rejected", "ls"): [],
        ("rejected", "show"): [rejected[0]],
        ("rejected", "requeue"): [rejected[1]],
        ("dead", "ls"): [],
        ("dead", "show"): [failed[0]],
        ("dead", "retry"): [failed[1]],
        ("dead", "purge"): [],
        ("worker", "ls"): [],
        ("sender", "ls"): [],
        ("sender", "show"): ["mail"],
        ("sender", "pause"): ["mail"],
        ("sender", "resume"): ["mail"],
        ("stats", ""): ["--days", "2"],
        ("events", ""): ["--count", "5"],
        ("leads", "import"): [str(leads)],
        ("leads", "count"): [],
        ("leads", "show"): ["l1"],
        ("template", "put"): ["t1", "--text", str(template)],
        ("template", "show"): ["t1"],
        ("template", "render"): ["t1", "l1"],
        ("top", ""): ["--once"],
        ("fsck", ""): [],
        ("completion", "bash"): None,  # a script, not data
        ("completion", "zsh"): None,
    }
    there = verbs_there_are()
    assert set(calls) <= there, set(calls) - there
    for noun, verb in calls:
        if calls[noun, verb] is None:
            continue
        words = [w for w in (noun, verb) if w] + calls[noun, verb]
        lines = sendqctl("--config", str(config), "--json", *words).splitlines()
        assert lines, words
        types, open_ended = documented("status" if noun == "top" else noun)
        if noun in ("status", "top"):
            for other in ("sender", "worker"):
                types |= documented(other)[0]
        for line in lines:
            check(noun, json.loads(line), types, open_ended)
    # Nouns that other tests drive.
    assert {noun for noun, _ in there - set(calls)} <= {"bulk"}


def test_exit_codes(stand, tmp_path):
    config = tmp_path / "ctl.yaml"
    config.write_text(json.dumps(stand.config()))
    away = json.loads(config.read_text())
    away["redis"]["url"] = "unix:///nowhere/redis.sock"
    sendqctl("--config", str(config), "status")
    sendqctl("--config", str(config), "message", "unknown", code=1)
    sendqctl("--config", str(config), "nonsense", code=2)
    (tmp_path / "away.yaml").write_text(json.dumps(away))
    sendqctl("--config", str(tmp_path / "away.yaml"), "status", code=3)

