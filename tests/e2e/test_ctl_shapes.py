"""Every noun and verb of sendqctl with --json, against a live daemon: its exit code, and that each
member it prints has the name and type that docs/sendqctl.md gives it (docs/keys.md where it prints
a key's fields). A new verb needs a line in CALLS."""
import json
import re
import subprocess

from support import BIN, ROOT, body, envelope, new_id, sanitizer_env, wait_for
from test_bulk import job, put_leads, wait_bulk

# What is called, in this order: some undo what others need. {names} are what prepare() made.
CALLS = """
push {job}
validate {job}
validate {bad_job}
message {good}
message {good} --all
explain {good}
explain {held}
limits
status
queue
rejected ls
rejected show {rejected[0]}
rejected requeue {rejected[1]}
dead ls
dead show {failed[0]}
dead retry {failed[1]}
dead purge
worker ls
sender ls
sender show mail
sender pause mail
sender resume mail
stats --days 2
events --count 50
leads import {leads}
leads count
leads show l1
template put t1 --subject Hi --text {template} --html {template}
template show t1
template render t1 l1
top --once
bulk preview {bulk_job}
bulk ls
bulk show {bulk}
bulk show {bulk} --failed
bulk show {bulk} --lead lead-1
bulk show {bulk} --lead bad-1
bulk watch {bulk}
bulk retry --failed {bulk}
bulk explain {held}
bulk pause {held}
bulk resume {held}
bulk cancel {held}
fsck
"""
EXIT_CODES = {"validate {bad_job}": 1}
SCRIPTS = {("completion", "bash"), ("completion", "zsh")}  # no data: --json changes nothing
ALSO_SHOWS = {"status": ("sender", "worker"), "top": ("status", "sender", "worker"),
              "bulk": ("explain",)}
# Nouns that print a key's own fields, whose section of docs/keys.md tells them.
FIELDS_OF = {"message": "A message", "dead": "A message", "bulk": "A bulk", "events": "Events"}
# Members whose own members' names are data.
DATA = ("ready", "provider", "channel", "sender", "metadata", "response")

NAME_AND_VALUE = re.compile(r'"([\w:]+)": ("|\{|\[|-?\d|true|false)')
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


def section(path, title):
    found = re.search(rf"^## {title}\b.*?(?=^## |\Z)", (ROOT / path).read_text(), re.M | re.S)
    assert found, f"{path} has no section on {title}"
    return found.group(0)


def documented(noun):
    """Types by member name, from the examples of a noun's section; any type where only the text
    or docs/keys.md names it."""
    text = section("docs/sendqctl.md", noun)
    examples = "\n".join(re.findall(r"^    .*$", text, re.M))
    types = {}
    for name, begin in NAME_AND_VALUE.findall(examples):
        types.setdefault(name, set()).add(TYPES.get(begin[0], (int, float)))
    if noun in FIELDS_OF:
        text += section("docs/keys.md", FIELDS_OF[noun])
    for words in re.findall(r"`([^`\n]*)`", text):
        for name in words.split():
            types.setdefault(name, {object})
    return types


def check(noun, value, types):
    """Every member, at any depth, is documented with its type; names that are data are not."""
    if isinstance(value, list):
        for item in value:
            check(noun, item, types)
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name.startswith(("_", "errors:")):
            continue  # the daemon's own; one for each code
        assert name in types, f"{noun} prints {name}, which the documentation does not name"
        assert any(isinstance(inner, t) for t in types[name]), (noun, name, inner, types[name])
        if name not in DATA:
            check(noun, inner, types)


def write(path, text):
    path.write_text(text)
    return path


def prepare(stand, directory):
    """A live daemon, and something of everything."""
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    stand.start([stand.sender(limits={"day": "100/day"}),
                 stand.sender("held-mail", default=False)], events="all")
    failed = [new_id() for _ in range(3)]
    good, = stand.push(envelope(metadata={"order": 1}))
    stand.push(*[envelope(body("bad@example.com"), id=i) for i in failed], "no job", "none either")
    stand.wait_final([good, *failed])
    stand.wait_rejected(2)
    put_leads(stand, {"lead-1": {"email": "a@example.com"}, "bad-1": {"email": "bad@example.com"}})
    everybody = job({"lead_ids": ["lead-1", "bad-1"]})
    stand.push(everybody)
    wait_bulk(stand, everybody["id"])
    config = write(directory / "ctl.yaml", json.dumps(stand.config()))
    sendqctl("--config", str(config), "sender", "pause", "held-mail")
    held = job({"lead_ids": ["lead-1"]}, sender="held-mail")
    stand.push(held)
    wait_for(lambda: stand.redis.hget(stand.key("bulk", held["id"]), "status") == "sending", "held")
    return {
        "config": config, "good": good, "failed": failed, "bulk": everybody["id"],
        "held": held["id"], "rejected": [i for i, _ in stand.redis.xrange(stand.key("rejected"))],
        "job": write(directory / "job.json", json.dumps(body())),
        "bad_job": write(directory / "bad.json", '{"message_data": {"content": 5}}'),
        "bulk_job": write(directory / "bulk.json", json.dumps(everybody)),
        "leads": write(directory / "leads.csv", "id,email\nl1,a@example.com\n"),
        "template": write(directory / "t.txt", "Hello {{first_name}}"),
    }


def test_every_verb_prints_what_is_documented(stand, tmp_path):
    there = verbs_there_are()
    calls = [line for line in CALLS.splitlines() if line]
    verb_of = {}
    for line in calls:
        noun, *rest = line.split()
        verb_of[line] = (noun, rest[0]) if rest and (noun, rest[0]) in there else (noun, "")
    assert not (missing := there - set(verb_of.values()) - SCRIPTS), (
        f"no line in CALLS for {missing}")
    assert not (gone := set(verb_of.values()) - there), f"CALLS has what is not there: {gone}"

    known = prepare(stand, tmp_path)
    for line in calls:
        noun, _ = verb_of[line]
        words = line.format(**known).split()
        lines = sendqctl("--config", str(known["config"]), "--json", *words,
                         code=EXIT_CODES.get(line, 0)).splitlines()
        assert lines, words
        types = {}
        for other in (*ALSO_SHOWS.get(noun, ()), noun):
            types |= documented(other)
        for text in lines:
            check(noun, json.loads(text), types)


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
