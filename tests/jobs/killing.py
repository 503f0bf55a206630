"""Other processes at work on the jobs of a test, and their end."""

import signal
import subprocess
import sys
from pathlib import Path

from moviola import jobs

WORKER = Path(__file__).with_name("hosted_worker.py")


def worker(provider, *ids):
    """Another process that does these jobs, or all that are open."""
    return subprocess.Popen([sys.executable, WORKER, provider, *ids], stderr=subprocess.PIPE, text=True)


def killed(provider, id, where):
    """A process has begun with the job and was killed there."""
    (provider / "die").write_text(where)
    with worker(provider, id) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert jobs.show(id).state == "interrupted"


def lines(provider, name):
    path = provider / name
    return path.read_text().split() if path.exists() else []
