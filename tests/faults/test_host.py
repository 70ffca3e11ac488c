"""The host denies what it gave: system calls that fail, memory that ends, a full disk."""
import shutil

import pytest
from invariants import check_all, extra_sends
from scale import long_only, times
from support import ROOT, body, envelope, wait_for
from test_review import end, spawn

RETRY = {"base": "5ms", "max": "100ms", "attempts": 50}
RELEASE = ROOT / "build/release/bin/sendqd"


def config_of(stand):
    return stand.config([stand.sender(retry=RETRY)], worker={"lease": "1s", "in_flight": 8},
                        redis={"timeout": "900ms"})


CALLS = [("read", "EIO"), ("read", "ECONNRESET"), ("recvfrom", "ECONNRESET"), ("sendto", "EPIPE"),
         ("sendto", "EINTR"), ("write", "EIO"), ("write", "ENOSPC"), ("connect", "ENETUNREACH"),
         ("connect", "ECONNREFUSED"), ("socket", "EMFILE"), ("socket", "ENOBUFS"),
         ("socketpair", "EMFILE"), ("epoll_ctl", "ENOMEM"), ("epoll_ctl", "ENOSPC"),
         ("epoll_wait", "EINTR"), ("openat", "ENFILE"), ("fcntl", "EINVAL"),
         ("getsockopt", "ENOBUFS"), ("poll", "EINTR"), ("close", "EIO")]
# That many are made to load the program's libraries, which ends it of course.
AFTER_LOADING = {"read": 30, "close": 50}


@pytest.mark.parametrize("call, error", times(CALLS[3:4], CALLS))
def test_every_nth_call_fails(stand, figure, call, error):
    """From the start to the last record: it goes on, or ends and the next one finds all."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    trace, ids, n, died, lived = stand.directory / "trace", [], AFTER_LOADING.get(call, 1), 0, 0
    # Who is traced cannot be searched for leaks; and it may die.
    env = {"ASAN_OPTIONS": "detect_leaks=0", "SENDQ_CRASH": "none"}
    while True:
        ids += stand.push(*[envelope() for _ in range(12)])
        daemon = stand.daemon(config_of(stand), env)
        daemon.command = ["strace", "-D", "-f", "-qq", "-o", str(trace), "-e", f"trace={call}",
                          "-e", f"inject={call}:error={error}:when={n}", *daemon.command]
        daemon.start(ready=False)
        wait_for(lambda: not daemon.running() or stand.status(ids[-1]) in ("sent", "failed"),
                 lambda: f"{n}\n{daemon.log()}", timeout=60)
        alive = daemon.running()
        daemon.kill()
        died, lived = died + (not alive), lived + alive
        if "(INJECTED)" not in trace.read_text(errors="replace"):
            break
        n = int(n * times(4, 1.3)) + 1
    stand.daemon(config_of(stand)).start()
    stand.wait_final(ids, timeout=60)
    assert not stand.rejected(), stand.rejected()
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    bound = 8 * (died + lived)  # what is in flight at each of their ends
    figure(lost=0, places=died + lived - 1, died=died, went_on=lived - 1,
           extra_sends=extra_sends(stand), bound=bound)
    assert extra_sends(stand) <= bound


@long_only
def test_memory_that_ends(stand, figure):
    """Caps from too little to start with to enough (of a build without sanitizers, which reserve
    terabytes): what it dies with waits for the next one, or is refused with its bytes."""
    if not RELEASE.exists():
        pytest.skip("build/release is not built")
    ids, large, died, caps = [], [], 0, range(24, 100, 4)
    for megabytes in caps:
        large += stand.push(envelope(body(content="x" * (3 << 20))))
        ids += stand.push(*[envelope() for _ in range(20)])
        daemon = stand.daemon(config_of(stand), {"SENDQ_CRASH": "none"})
        daemon.command = ["prlimit", f"--as={megabytes << 20}", str(RELEASE)]
        daemon.start(ready=False)
        wait_for(lambda: not daemon.running() or stand.status(ids[-1]) in ("sent", "failed"),
                 daemon.log, timeout=60)
        died += not daemon.running()
        daemon.kill()
    stand.daemon(config_of(stand)).start()
    stand.wait_final(ids, timeout=60)
    refused = {i for i in large if any(i.encode() in e["raw"] for e in stand.rejected())}
    stand.wait_final(set(large) - refused, timeout=60)
    check_all(stand, set(ids + large) - refused, rejected=len(refused),
              accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, caps=len(caps), died=died, jobs=len(ids + large),
           refused_with_their_bytes=len(refused), extra_sends=extra_sends(stand))
    assert died > 0 and extra_sends(stand) <= 8 * len(caps)


def test_a_full_disk_under_the_log(stand, figure):
    """Each line that it writes is refused (ENOSPC): it keeps no other files, and works on."""
    with open("/dev/full", "wb") as full:
        process = spawn(stand, stdout=full, stderr=full)
    try:
        ids = stand.push(*[envelope() for _ in range(100)], to="jobs")
        stand.push(*["no job"] * 20)
        stand.wait_final(ids)
        stand.wait_rejected(20)
    finally:
        assert end(process) == 0
    check_all(stand, ids, rejected=20, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, jobs=len(ids), lines_written=0, extra_sends=extra_sends(stand))
    assert extra_sends(stand) == 0
