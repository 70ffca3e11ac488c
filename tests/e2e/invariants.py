"""What must hold whatever crashed: checked from outside, with an ordinary Redis client."""
import json
import os

from fsck import check_clean

FINAL = ("sent", "failed")


def check_idle(stand):
    """Nothing is under way: no list, lease or bucket remembers work, no counter stands open."""
    left = {}
    for pattern in ("jobs", "jobs:*", "claimed:*", "lease:*", "delayed", "ready:*", "turn"):
        for key in stand.redis.scan_iter(stand.key(pattern), count=1000):
            left[key] = stand.redis.type(key)
    assert not left, f"left behind although all is final: {left}"
    for key in stand.redis.scan_iter(stand.key("bucket", "*")):
        busy = stand.redis.hget(key, "busy") or "0"
        assert busy == "0", f"{key}: busy is {busy} although nothing is in flight"


def check_stats(stand, messages):
    """Every message is counted once under its provider, its channel and its sender."""
    expected = {}
    for message in messages.values():
        for scope in ("provider", "channel", "sender"):
            name = f"{scope}:{message[scope]}:{message['status']}"
            expected[name] = expected.get(name, 0) + 1
    counted = stand.stats()
    assert counted == expected, f"stats {counted}, messages {expected}"


def check_message(message):
    """One final hash: its fields agree with its status."""
    status = message["status"]
    assert status in FINAL, message
    assert message.get(f"{status}_at"), message
    assert not (message.get("sent_at") and message.get("failed_at")), message
    assert int(message["attempts"]) >= 0, message
    assert ("error_code" in message) == (status == "failed"), message
    assert "next_attempt_at" not in message, message
    answer = json.loads(message["response"])
    assert answer.get("success", False) == (status == "sent"), message


def check_dead(stand, messages):
    """NS:dead names the failed messages and no other."""
    failed = {i for i, m in messages.items() if m["status"] == "failed"}
    dead = set(stand.redis.zrange(stand.key("dead"), 0, -1))
    assert dead == failed, f"only dead: {dead - failed}; only failed: {failed - dead}"


def check_content(stand, messages):
    """What was sent has left Redis."""
    sent = [i for i, m in messages.items() if m["status"] == "sent"]
    pipe = stand.redis.pipeline(transaction=False)
    for message_id in sent:
        pipe.exists(stand.key("content", message_id), stand.key("text", message_id))
    kept = [i for i, there in zip(sent, pipe.execute()) if there]
    assert not kept, f"content of {len(kept)} sent messages is kept: {kept[:3]}"


def extra_sends(stand):
    """How often the sandbox accepted a message that it had accepted before."""
    return sum(n - 1 for n in stand.sandbox.ids("sandbox").values())


def check_all(stand, pushed, rejected=0, accepted_by=None):
    """Everything pushed is final, counted once, in one place, and nothing else is there.

    pushed: the ids of the good jobs; rejected: how many others were pushed; accepted_by: what the
    sandbox accepted, by id: a sent message is among them. Returns the message hashes."""
    messages = stand.messages()
    pushed = set(pushed)
    lost, unknown = pushed - set(messages), set(messages) - pushed
    assert not lost and not unknown, f"lost: {list(lost)[:5]}, from nowhere: {list(unknown)[:5]}"
    for message in messages.values():
        check_message(message)
    assert len(stand.rejected()) == rejected
    check_idle(stand)
    check_stats(stand, messages)
    check_dead(stand, messages)
    check_content(stand, messages)
    if accepted_by is not None:
        unseen = [i for i, m in messages.items()
                  if m["status"] == "sent" and not accepted_by.get(i)]
        assert not unseen, f"{len(unseen)} are called sent, but never arrived: {unseen[:5]}"
        unknown = set(accepted_by) - pushed
        assert not unknown, f"sent without having been pushed: {list(unknown)[:5]}"
    if os.environ.get("SENDQ_TEST_FSCK"):
        check_clean(stand)
    return messages
