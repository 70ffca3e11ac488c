"""How long an urgent message takes while a bulk of --leads runs on another sender."""
import json
import statistics
import uuid

from bulk import store_leads
from rig import RigError, wait_until
from stand import NS, SERVER_CPU, milliseconds

URGENT = 200
MAX_MS = 50


def busy_sender(url):
    return (f"  - {{ id: busy, provider: sandbox, channels: [email], "
            f"from: {{ address: a@b.example }}, endpoint: \"{url}/sandbox\" }}\n")


def bulk_of_all(bulk_id):
    return json.dumps({"id": bulk_id, "sender": "busy", "body": {
        "bulk_settings": {"filters": {"conditions": [{"conditions": [
            {"field": "company", "operator": "starts_with", "value": "company"}]}]}},
        "message_type": "MARKETING", "message_data": {
            "recipient": "p@example.com", "subject": "News", "content": "Dear {{first_name}}"}}})


def send_urgent(bench):
    """One by one, each when the one before was sent: milliseconds from its push until it was."""
    found = []
    for number in range(URGENT):
        urgent = str(uuid.uuid4())
        pushed = bench.redis.time()
        bench.redis.lpush(f"{NS}:jobs:high", json.dumps({
            "id": urgent, "priority": "HIGH", "body": {"message_data": {
                "recipient": f"urgent{number}@example.com", "subject": "Your code",
                "content": "x" * 400}, "message_type": "TRANSACTIONAL"}}))
        wait_until(lambda u=urgent: bench.redis.hget(f"{NS}:message:{u}", "status") == "sent",
                   "an urgent message to be sent", pause=0.005)
        sent = bench.redis.hget(f"{NS}:message:{urgent}", "sent_at")
        # sent_at is cut to the millisecond.
        found.append(max(0.0, milliseconds(sent) + 0.5 - (pushed[0] * 1e3 + pushed[1] / 1e3)))
    return found


def scenario_urgent(bench, options):
    """Alone, and then beside the bulk, which has to go on for as long as they take."""
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    store_leads(bench, options.leads)
    bench.start(sink.url, busy_sender(sink.url))
    alone = send_urgent(bench)
    bulk_id, bulk = str(uuid.uuid4()), {}

    def sent():
        bulk.update(bench.redis.hgetall(f"{NS}:bulk:{bulk_id}"))
        return int(bulk.get("messages_sent", 0))

    bench.redis.lpush(f"{NS}:jobs", bulk_of_all(bulk_id))
    wait_until(lambda: sent() > options.leads / 100, "the bulk to begin", timeout=600)
    before = sent()
    beside = send_urgent(bench)
    during = sent() - before
    if bulk["status"] == "done":
        raise RigError(f"the bulk was over before the urgent ones: more than {options.leads} leads")
    result = {"leads": options.leads, "urgent": URGENT, "bulk_sent_meanwhile": during}
    for name, of in (("alone", alone), ("beside", beside)):
        cuts = statistics.quantiles(of, n=100)
        result |= {f"{name}_p50_ms": round(cuts[49], 1), f"{name}_p99_ms": round(cuts[98], 1)}
    if result["beside_p50_ms"] - result["alone_p50_ms"] >= MAX_MS:
        raise RigError(f"a bulk delays an urgent message of another sender: {result}")
    return result
