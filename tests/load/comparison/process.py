"""A process of ours on a core of its own, and what /proc says it costs.

Only processes that were started here are ever ended, by their own handle.
"""

import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# A process that does not end when asked to is killed after so many seconds.
PATIENCE_SECONDS = 10
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def place(core, alone):
    """Runs in the new process, before its program. `alone`: as if nothing else ran on its core."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    if alone:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        except PermissionError:
            # Only root may; without it neighbours disturb more, and the figures show them.
            pass


class Failed(Exception):
    """A run that gives no figures; the text says why."""


def raise_descriptor_limit():
    """`ulimit -n` as far as it goes, for this script and what it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Process:
    """Started on `core` (None: anywhere), stopped at the end of its `with`. `alone`: in real
    time, so that neighbours neither delay it nor let work pile up for it."""

    def __init__(self, command, core, log, env=None, stdout=None, stderr=None, alone=False):
        self.name = Path(command[0]).name
        self.log = log
        with open(log, "ab") as output:
            self.handle = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=stdout or output,
                stderr=stderr or output,
                env=env,
                preexec_fn=lambda: place(core, alone),
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.handle.pid

    def stop(self):
        if self.handle.poll() is None:
            self.handle.terminate()
            try:
                self.handle.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.handle.kill()
                self.handle.wait()

    def wait_until(self, what, condition, seconds=30):
        """Polls `condition` until it gives something; the process ending meanwhile is an error."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.handle.poll() is not None:
                raise Failed(f"{self.name} ended with {self.handle.returncode}:\n{self.last_words()}")
            if found := condition():
                return found
            time.sleep(0.05)
        raise Failed(f"{self.name}: {what} did not come about in {seconds} s:\n{self.last_words()}")

    def last_words(self):
        lines = Path(self.log).read_text(errors="replace").splitlines()
        return "\n".join(lines[-15:])


@dataclass
class Cost:
    """Of a process and its children, at one moment."""

    at: float
    cpu_seconds: float
    rss_kib: int
    switches: int


def pids(pid):
    """The process and everything below it."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += pids(int(child))
    return found


def cost(pid):
    cpu = rss = switches = 0
    for one in pids(pid):
        # The second field is the name, in parentheses, and may hold blanks.
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        cpu += int(fields[11]) + int(fields[12])
        rss += int(fields[21]) * PAGE_KIB
        for status in Path(f"/proc/{one}/task").glob("*/status"):
            for line in status.read_text().splitlines():
                if "ctxt_switches" in line:
                    switches += int(line.split()[1])
    return Cost(time.monotonic(), cpu / TICKS_PER_SECOND, rss, switches)


def machine_busy_seconds():
    """CPU seconds that anything used on any core since boot, what the host took away included."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
