"""One run: one server, one row of publishers, one window."""

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from . import servers
from .process import Failed, Process, cost, machine_busy_seconds

# Before the idle RSS is read: what a server does after its start has been done.
CALM_SECONDS = 1
# Over the expected time a run may take this much longer before it is given up, in seconds.
SLACK_SECONDS = 90
# How often every channel's status is asked for after the window, at most, and how far apart, in seconds,
# at least: together a little more than the file, so that a second of each part of it is seen.
STATUS_LOOKS = 20
STATUS_SECONDS = 1.2
# Statuses that the API gives in a second beside a generator that goes first, about: for how long
# publishers stay on after the window. Where it gives fewer, there are fewer looks.
STATUSES_A_SECOND = 75


def measure(name, row, media, options, syscalls=False):
    """The figures of one run as a flat dictionary. `syscalls`: count them, which slows the server."""
    with tempfile.TemporaryDirectory(prefix="stream-sync-load-") as folder:
        place = servers.Place(
            options.programs,
            Path(folder),
            options.server_core,
            options.other_core,
            row.publishers,
            options.real_time,
        )
        with servers.SERVERS[name](place) as server:
            time.sleep(CALM_SECONDS)
            idle = cost(server.process.pid)
            return Window(server, row, media, options, place, idle, syscalls).figures()


class Window:
    def __init__(self, server, row, media, options, place, idle, syscalls):
        self.server, self.row, self.options, self.place = server, row, options, place
        self.idle, self.syscalls = idle, syscalls
        self.perf = None
        self.statuses = None
        self.moments = {}
        self.media = media
        look = max(STATUS_SECONDS, row.publishers / STATUSES_A_SECOND)
        # How long publishers stay on after the window, in seconds.
        self.hold = int(STATUS_LOOKS * look) if options.status and server.api else 1

    def command(self):
        seconds = self.row.publishers / self.options.ramp + self.options.settle + self.options.window
        command = [self.options.programs / "rtmp-load", "--url", self.server.url]
        command += ["--flv", self.media, *self.server.flags]
        command += ["--connections", self.row.publishers, "--ramp", self.options.ramp]
        command += ["--chunk-size", self.options.chunk_size]
        command += ["--settle", self.options.settle, "--window", self.options.window]
        return command + ["--hold", self.hold, "--duration", int(seconds + self.hold + SLACK_SECONDS)]

    def figures(self):
        log = self.place.folder / "rtmp-load.log"
        pipe = subprocess.PIPE
        core = self.options.other_core
        with Process(self.command(), core, log, None, pipe, pipe, self.options.real_time) as load:
            for line in load.handle.stderr:
                self.note(line.decode().strip())
            report = json.loads(load.handle.stdout.read() or "null")
        if self.server.process.handle.poll() is not None:
            raise Failed(f"the server ended:\n{self.server.process.last_words()}")
        if not report or not report["window"]:
            raise Failed(f"no window was measured: {self.moments or 'nothing was said'}, {report}")
        return self.sum_up(report)

    def note(self, moment):
        """Called at each moment that rtmp-load announces."""
        if moment not in ("window begins", "window ends"):
            self.moments[moment] = True
            return
        self.moments[moment] = (cost(self.server.process.pid), machine_busy_seconds())
        if moment == "window begins" and self.syscalls:
            self.perf = count_syscalls(self.server.process, self.options.window, self.place)
        if moment == "window ends" and self.options.status and self.server.api:
            self.statuses = ask_statuses(self.server, self.hold)

    def sum_up(self, report):
        (begin, busy_begin), (end, busy_end) = (
            self.moments["window begins"], self.moments["window ends"]
        )
        window = report["window"]
        megabits = window["sent"]["media_bytes"] * 8 / 1e6
        messages = window["sent"]["messages"]
        cpu = end.cpu_seconds - begin.cpu_seconds
        seconds = end.at - begin.at
        figures = {
            "publishers": window["publishers"],
            "dropped": report["dropped"],
            "refused": report["refused"],
            "failed": report["failed"],
            "window_seconds": round(window["seconds"], 3),
            "megabits_per_second": round(megabits / window["seconds"], 3),
            "messages_per_second": round(messages / window["seconds"], 1),
            "cpu_us_per_mbit": round(cpu * 1e6 / megabits, 1),
            "cores": round(cpu / seconds, 4),
            "rss_per_publisher_kib": round((end.rss_kib - self.idle.rss_kib) / self.row.publishers, 2),
            "rss_idle_kib": self.idle.rss_kib,
            "switches_per_message": round((end.switches - begin.switches) / messages, 4),
            "start_ms": report["start_ms"],
            "lateness_ms": window["lateness_ms"],
            "generator_cpu_seconds": report["generator_cpu_seconds"],
            # Both cores, all that is neither this server's CPU nor idle: generator and neighbours.
            "other_cores": round((busy_end - busy_begin - cpu) / seconds, 3),
        }
        if self.perf:
            figures["syscalls_per_message"] = round(finish_count(self.perf) / messages, 3)
        if self.statuses is not None:
            figures["status"] = status_figures(self.statuses, report["nominal_kbps"])
        return figures


def count_syscalls(server, seconds, place):
    """Counts in the kernel, for as long as the window: figures of CPU of such a run are not used."""
    log = place.folder / "perf.log"
    command = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", log]
    pids = ",".join(str(pid) for pid in [server.pid, *children(server.pid)])
    return Process([*command, "-p", pids, "--", "sleep", seconds], None, log), log


def children(pid):
    from .process import pids

    return pids(pid)[1:]


def finish_count(started):
    process, log = started
    process.handle.wait()
    for line in Path(log).read_text().splitlines():
        if "sys_enter" in line:
            return int(line.split(",")[0])
    raise Failed(f"perf counted nothing: {process.last_words()}")


def ask_statuses(server, seconds):
    """Several looks at every channel, none of which ends after so many seconds: a bit rate is of one
    second, and a second has one picture more or less."""
    ends, longest, looks = time.monotonic() + seconds, 0, []
    while len(looks) < STATUS_LOOKS and time.monotonic() + 2 * longest < ends:
        began = time.monotonic()
        looks.append(server.api.statuses(server.channels))
        took = time.monotonic() - began
        longest = max(longest, took)
        time.sleep(max(0, STATUS_SECONDS - took))
    return looks


def status_figures(looks, nominal_kbps):
    """How many the API shows as LIVE each time, and how far their bit rates are from the file's."""
    live, ratios = 0, []
    for of_channel in zip(*looks):
        live += all(status["status"] == "LIVE" for status in of_channel)
        metrics = [status["metrics"] for status in of_channel if status.get("metrics")]
        rates = {each["at"]: each["bitrateKbps"] for each in metrics}
        if rates:
            ratios.append(statistics.mean(rates.values()) / nominal_kbps)
    return {
        "looks": len(looks),
        "asked": len(looks[0]),
        "live": live,
        "with_bitrate": len(ratios),
        "within_2_percent": sum(abs(ratio - 1) <= 0.02 for ratio in ratios),
        "bitrate_ratio_median": round(statistics.median(ratios), 4) if ratios else None,
        "bitrate_ratio_min": round(min(ratios), 4) if ratios else None,
        "bitrate_ratio_max": round(max(ratios), 4) if ratios else None,
    }
