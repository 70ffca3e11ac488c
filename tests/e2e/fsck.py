"""Runs `sendqctl fsck` on a stand: (exit code, findings, summary)."""
import json
import os
import subprocess

from support import BIN, sanitizer_env


def run_fsck(stand, *options):
    path = stand.directory / "fsck.yaml"
    path.write_text(json.dumps({"namespace": stand.ns, "redis": {"url": stand.server.url}}))
    done = subprocess.run([BIN / "sendqctl", "--config", path, "--json", "fsck", *options],
                          capture_output=True, text=True, timeout=300, check=False,
                          env=os.environ | sanitizer_env())
    assert done.returncode in (0, 1) and not done.stderr, done
    *findings, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert summary["findings"] == len(findings)
    return done.returncode, findings, summary


def check_clean(stand):
    """Nothing lost, doubled or miscounted, by the keys alone; the summary."""
    code, findings, summary = run_fsck(stand)
    assert (code, findings) == (0, []), f"{findings}\n{stand.logs()}"
    return summary
