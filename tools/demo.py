"""The demo: a private Redis, the sandbox provider and sendqd; example jobs go in, and it shows
what became of each: its status, the producer's answer, what the provider received, and what was
refused. Exits 1 when a job did not end as it must."""
import json
import os
import pathlib
import sys
import textwrap
import time
import uuid

from rig import ROOT, Rig, RigError, get_json, wait_until

NS = "demo"
JOBS = ROOT / "demo" / "jobs"
SECRETS = {"DEMO_SENDGRID_KEY": "SG.demo-key", "DEMO_TWILIO_TOKEN": "demo-token",
           "DEMO_WEBHOOK_SECRET": "whsec_dGhlIGRlbW8ncyBzZWNyZXQ6IG5vIHNlY3JldCBhdCBhbGwh"}
DELAY_S = 2  # how far ahead the reminder is scheduled

# title, file, what the envelope adds, how it must end
PLAN = [
    ("E-mail, as messaging-send shows it", "email.json", {}, "sent"),
    ("SMS by the sender it names (a webhook)", "sms.json", {}, "sent"),
    ("Instagram DM by the same sender", "instagram_dm.json", {}, "sent"),
    ("SMS that names no sender: the channel's default (twilio)", "sms_default_sender.json",
     {}, "sent"),
    (f"Reminder, HIGH priority, due in {DELAY_S} s", "reminder.json",
     {"priority": "HIGH", "scheduled_at": None}, "sent"),
    ("A job with a fault: no recipient", "invalid.json", {}, "rejected"),
]

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


def paint(colour, text):
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return str(text)
    return f"\033[{COLOURS[colour]}m{text}\033[0m"


def headline(text):
    print("\n" + paint("bold", text) + "\n" + paint("dim", "-" * len(text)))


def show(label, value, width=88):
    """A label and its value, wrapped under each other."""
    lines = []
    for line in str(value).splitlines() or [""]:
        lines += textwrap.wrap(line, width, break_on_hyphens=False) or [""]
    print(f"  {paint('cyan', f'{label:<9}')} {lines[0]}")
    for line in lines[1:]:
        print(f"  {'':<9} {line}")


def compact(value):
    return json.dumps(value, ensure_ascii=False)


def readable(body):
    """JSON with blanks, where lines may break; anything else as it is."""
    try:
        return compact(json.loads(body))
    except ValueError:
        return body


class Job:
    def __init__(self, title, file, envelope, expected):
        self.title = title
        self.expected = expected
        self.body = json.loads((JOBS / file).read_text(encoding="utf-8"))
        self.id = str(uuid.uuid4())
        self.reply_to = f"demo-{pathlib.Path(file).stem}"
        self.envelope = dict(envelope)
        if "scheduled_at" in envelope:
            self.envelope["scheduled_at"] = int(time.time()) + DELAY_S
        self.answer = None

    def text(self):
        return compact({"id": self.id, "reply_to": self.reply_to, **self.envelope,
                        "body": self.body})


class Demo:
    def __init__(self, rig):
        self.rig = rig
        self.redis_url, self.redis = rig.redis()
        self.provider = rig.sandbox()
        config = (ROOT / "demo" / "sendqd.yaml.in").read_text(encoding="utf-8")
        rig.sendqd(config.replace("@REDIS@", self.redis_url).replace("@SANDBOX@", self.provider))
        self.jobs = [Job(*plan) for plan in PLAN]

    def push(self):
        headline("1. A producer pushes jobs: LPUSH to a list, nothing else")
        for job in self.jobs:
            self.redis.lpush(f"{NS}:jobs", job.text())
            show("LPUSH", f"{NS}:jobs  {job.text()}")

    def status(self, job):
        return self.redis.hget(f"{NS}:message:{job.id}", "status")

    def outcomes(self):
        """Waits for each job's answer; True when all ended as they must."""
        headline("2. What became of each")
        right = True
        for job in self.jobs:
            ended = self.outcome(job)
            right = right and ended == job.expected
            mark = paint("green", ended) if ended == job.expected else \
                paint("red", f"{ended}, expected {job.expected}")
            print(f"\n  {paint('bold', job.title)}: {mark}")
            if ended != "rejected":
                print(textwrap.indent(self.rig.sendqctl("message", job.id).rstrip(), "    "))
            show("answer", f"BRPOP {NS}:reply:{job.reply_to}  {compact(job.answer)}")
        return right

    def outcome(self, job):
        scheduled = "scheduled_at" in job.envelope
        if scheduled:
            seen = wait_until(lambda: self.status(job), f"{job.title}: a status")
            print(f"\n  {paint('bold', job.title)}: {seen} ...")
        popped = self.redis.brpop(f"{NS}:reply:{job.reply_to}", timeout=20)
        if popped is None:
            raise RigError(f"{job.title}: no answer; status {self.status(job)}")
        job.answer = json.loads(popped[1])
        return self.status(job) or "rejected"

    def received(self):
        headline("3. What the providers received (sandbox, in order of arrival)")
        requests = get_json(f"{self.provider}/_control/requests")["requests"]
        for request in requests:
            show(request["dialect"], f"{request['method']} {request['path']}  -> "
                 f"{request['status']}")
            show("", readable(request["body"]))
        return len(requests) == sum(job.expected == "sent" for job in self.jobs)

    def rejected(self):
        headline(f"4. What was refused: the stream {NS}:rejected keeps the untouched job")
        entries = self.redis.xrange(f"{NS}:rejected")
        for entry_id, fields in entries:
            show("entry", entry_id)
            for name, value in fields.items():
                show(name, value)
        return len(entries) == sum(job.expected == "rejected" for job in self.jobs)

    def counters(self):
        headline("5. Counters of the day")
        for key in self.redis.keys(f"{NS}:stats:*"):
            for field, count in sorted(self.redis.hgetall(key).items()):
                show(count, field)


def main():
    os.environ.update(SECRETS)
    try:
        with Rig() as rig:
            demo = Demo(rig)
            demo.push()
            right = demo.outcomes()
            right = demo.received() and right
            right = demo.rejected() and right
            demo.counters()
    except RigError as error:
        sys.exit(f"demo: {error}")
    print()
    if not right:
        sys.exit("demo: not everything ended as it must, see above")
    print(paint("green", "All jobs ended as they must."))


if __name__ == "__main__":
    main()
