"""What a message costs with few and with very many waiting: the same number sent, only the depth
behind them differs.

Whatever is pushed becomes a waiting message as fast as it can be taken, so that this is where a
backlog stands. It is built by copying one message, within Redis: millions would take their time
otherwise. Then jobs are pushed as fast as messages are sent, which keeps the depth."""
import statistics
import time

from rig import Rig, RigError, wait_until
from stand import NS, SERVER_CPU, WARM_UP, Bench, cpu_seconds, job_body, median, used_memory

FEW, SENDER, STEP = 1000, "bench-mail", 500
READY = f"{NS}:ready:{SENDER}:2"
# KEYS: message and content of the original, their names without its id, the queue; ARGV: its id but
# for twelve digits, first, last.
COPY = """
local ids = {}
for n = ARGV[2], ARGV[3] do
  local id = ARGV[1] .. string.format('%012x', n)
  redis.call('COPY', KEYS[1], KEYS[3] .. id)
  redis.call('HSET', KEYS[3] .. id, 'id', id)
  redis.call('COPY', KEYS[2], KEYS[4] .. id)
  ids[#ids + 1] = id
end
redis.call('RPUSH', KEYS[5], unpack(ids))
"""


def fill(stand, depth):
    """`depth` messages of a paused sender."""
    stand.rig.sendqctl("sender", "pause", SENDER)
    stand.redis.lpush(f"{NS}:jobs", job_body(0))
    wait_until(lambda: stand.redis.llen(READY) == 1, "the first message to wait")
    first, copy = stand.redis.lindex(READY, 0), stand.redis.register_script(COPY)
    message, content = f"{NS}:message:", f"{NS}:content:"
    for start in range(1, depth, STEP):
        copy(keys=[message + first, content + first, message, content, READY],
             args=[first[:24], start, min(start + STEP, depth) - 1])
    if stand.redis.llen(READY) != depth:
        raise RigError(f"{stand.redis.llen(READY)} messages wait, not {depth}")


def at_rest(stand):
    """The count of sent messages, once nothing is in flight any more."""
    last = [-1]

    def same():
        last.append(stand.final_counts()[0])
        return last[-1] == last[-2]

    wait_until(same, "a paused sender to rest", pause=0.2)
    return last[-1]


def run_over_depth(stand, count):
    """Sends `count`, pushing as many meanwhile; what each cost, accepted and sent."""
    before, pushed = at_rest(stand), 0
    cpu, redis_cpu = cpu_seconds(stand.sendqd.pid), stand.redis_cpu()
    wall = time.monotonic()
    stand.rig.sendqctl("sender", "resume", SENDER)

    def all_sent():
        nonlocal pushed
        sent = stand.final_counts()[0] - before
        while pushed < min(count, sent + STEP):
            stand.redis.lpush(f"{NS}:jobs", *[job_body(pushed + n) for n in range(STEP)])
            pushed += STEP
        return sent >= count

    wait_until(all_sent, f"{count} messages to be sent", timeout=60 + count / 200)
    wall = time.monotonic() - wall
    stand.rig.sendqctl("sender", "pause", SENDER)
    sent = at_rest(stand) - before
    return {"rate": count / wall, "cpu_us": (cpu_seconds(stand.sendqd.pid) - cpu) / sent * 1e6,
            "redis_us": (stand.redis_cpu() - redis_cpu) / sent * 1e6}


def scenario_queue(bench, options):
    with Rig(options.build) as rig:
        return compare_depths(bench, Bench(rig, options), options)


def compare_depths(shallow, deep, options):
    sink = shallow.rig.nginx(cpu=SERVER_CPU)
    stands = ((shallow, FEW, []), (deep, options.depth, []))
    for stand, depth, _ in stands:
        stand.start(sink.url)
        fill(stand, depth)
        run_over_depth(stand, 2 * WARM_UP)
    gib = used_memory(deep) / (1 << 30)
    for _ in range(options.rounds):
        for stand, _, rounds in stands:
            rounds.append(run_over_depth(stand, options.n))
    few, many = (rounds for _, _, rounds in stands)
    result = {"n": options.n, "rounds": options.rounds, "depth": options.depth,
              "redis_gib": round(gib, 2)}
    for key in ("cpu_us", "redis_us", "rate"):
        result[f"{key}_{FEW}"] = round(median(few, key), 2)
        result[f"{key}_depth"] = round(median(many, key), 2)
        growth = statistics.median(m[key] / f[key] for m, f in zip(many, few))
        result[f"{key}_growth"] = round(growth, 3)
    return result
