#!/usr/bin/env python3
"""Shows what OBS does and logs when it is live, refused, dropped and cut, beside what we say then.

Run by hand, from anywhere, after `cargo build`: it needs obs-studio, xvfb, openbox, xdotool and
ffmpeg of Debian, and prints a report; README.md keeps one. `observe.py FOLDER` also leaves pictures of the
screen there.
"""

import contextlib
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from desktop import Obs, Screen, end
from stack import Relay, Stack

WRONG_KEY = "live" * 10  # fails its checksum
CHANGES_WITHIN_SECONDS = 40  # OBS waits up to 30 s for some answers
# OBS's default of 250 pictures between keyframes is 8.3 s at 30 pictures a second.
TWO_KEYFRAME_INTERVALS_SECONDS = 19
SEVERAL_RETRIES_SECONDS = 16


class Watch:
    """Our status over time, for the report."""

    def __init__(self, stack):
        self.stack = stack
        self.seen = []
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self):
        while True:
            try:
                status = self.stack.status()
                word = (status["status"], status["sessionId"], status["gen"])
            except OSError:
                word = ("stack is away", None, None)
            if not self.seen or self.seen[-1][1] != word:
                self.seen.append((time.monotonic(), word))
            time.sleep(0.05)

    def since(self, moment):
        return [(round(at - moment, 1), *word) for at, word in self.seen if at >= moment]


class Report:
    """One case after the other: its words from OBS's log, its output states, our states."""

    def __init__(self, obs, screen, stack, pictures):
        self.obs, self.screen, self.stack, self.pictures = obs, screen, stack, pictures
        self.watch = Watch(stack)

    def case(self, name):
        self.name, self.began = name, time.monotonic()
        self.obs_lines, self.stack_lines = len(self.obs.log()), len(self.stack.log())
        print(f"\n== {name}", flush=True)

    def done(self):
        if self.pictures:
            self.screen.picture(self.pictures / (re.sub(r"\W+", "-", self.name) + ".png"))
        print("OBS's output:", self.obs.outputs_since(self.began))
        print("Our status:  ", self.watch.since(self.began))
        print("OBS's log:")
        for line in self.obs.log()[self.obs_lines :]:
            if any(word in line for word in ("rtmp", "NetStream", "====", "econnect")):
                print("   ", line)
        print("Our log:")
        for line in self.stack.log()[self.stack_lines :]:
            if "edge_ingest" in line:
                print("   ", line)

    def wait(self, what, condition, seconds=CHANGES_WITHIN_SECONDS):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if condition():
                    return
            except OSError:
                pass  # the stack is away
            time.sleep(0.05)
        print(f"NOT SEEN within {seconds} s: {what}")

    def wait_status(self, word):
        self.wait(word, lambda: self.stack.status()["status"] == word)

    def start_streaming(self):
        self.obs.request("StartStream")
        self.wait("LIVE with a sample", lambda: self.stack.status()["metrics"])

    def wait_output(self, state):
        self.wait(state, lambda: any(seen == state for _, seen in self.obs.outputs_since(self.began)))

    def refused(self):
        """OBS stopped by itself, and says so in a dialog."""
        self.wait_output("STOPPED")
        self.wait("a dialog", lambda: self.screen.shows("Failed to connect"))
        self.done()

    def idle(self):
        """OBS stopped, and the channel free."""
        self.obs.request("StopStream")
        self.wait("inactive", lambda: not self.obs.request("GetStreamStatus")["outputActive"])
        self.wait_status("OFFLINE")


def publish(stack):
    """Another encoder with the same key."""
    host, port = stack.edge
    command = "ffmpeg -loglevel error -re -f lavfi -i testsrc2=size=320x180:rate=30 -c:v libx264"
    command += f" -preset ultrafast -pix_fmt yuv420p -g 30 -f flv rtmp://{host}:{port}/live/{stack.key()}"
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # its errors name the key
    return subprocess.Popen(command.split(), **quiet)


def live(report):
    report.case("live, then stopped by the person")
    report.start_streaming()
    report.wait(
        "a keyframe interval",
        lambda: (report.stack.status()["metrics"] or {}).get("keyframeIntervalMs"),
        TWO_KEYFRAME_INTERVALS_SECONDS,
    )
    print("metrics:", report.stack.status()["metrics"])
    report.idle()
    report.done()


def wrong_key(report, relay):
    report.case("refused: wrong key")
    report.obs.use_key(relay.server, WRONG_KEY)
    report.obs.request("StartStream")
    report.refused()


def second_publisher(report):
    report.case("refused: somebody else is live")
    first = publish(report.stack)
    report.wait_status("LIVE")
    report.obs.request("StartStream")
    report.refused()
    end(first)
    report.wait_status("OFFLINE")


def dropped(report, relay):
    report.case("dropped, and back within the grace")
    report.start_streaming()
    relay.cut()
    report.wait_output("RECONNECTED")
    report.wait_status("LIVE")
    report.done()
    report.idle()


def taken_over(report, relay):
    report.case("dropped, and somebody else was first")
    report.start_streaming()
    relay.cut()
    first = publish(report.stack)
    time.sleep(SEVERAL_RETRIES_SECONDS)
    report.done()
    end(first)
    report.idle()


def restarted(report):
    report.case("the stack is restarted")
    report.start_streaming()
    report.stack.stop()
    report.stack.start()
    report.wait_output("RECONNECTED")
    report.wait_status("LIVE")
    report.done()
    report.idle()


def killed(report):
    report.case("the stack is killed")
    report.start_streaming()
    report.stack.kill()
    report.stack.start()
    report.wait_output("RECONNECTED")
    report.wait_status("LIVE")
    report.done()
    report.idle()


def reset(report):
    report.case("the key is reset while live")
    report.start_streaming()
    report.stack.reset_key()
    time.sleep(SEVERAL_RETRIES_SECONDS)
    report.done()
    report.idle()


@contextlib.contextmanager
def reporting(home, screen, stack, relay, pictures):
    """A fresh OBS: a dialog of an earlier case would be in the way."""
    home.mkdir()
    obs = Obs(screen, home, relay.server, stack.key())
    try:
        yield Report(obs, screen, stack, pictures)
    finally:
        obs.stop()


def observe(home, screen, stack, pictures):
    relay = Relay(stack)
    with reporting(home / "1", screen, stack, relay, pictures) as report:
        wrong_key(report, relay)
    with reporting(home / "2", screen, stack, relay, pictures) as report:
        second_publisher(report)
    with reporting(home / "3", screen, stack, relay, pictures) as report:
        live(report)
        dropped(report, relay)
        taken_over(report, relay)
        restarted(report)
        killed(report)
        reset(report)
    print("\n== sessions, newest first")
    for session in stack.sessions():
        print(session)


def main():
    # Ended by a signal, it must not leave anything running either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    pictures = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = pathlib.Path(folder)
        stack, screen = Stack(home), Screen(home)
        try:
            observe(home, screen, stack, pictures)
        finally:
            screen.stop()
            stack.stop()


if __name__ == "__main__":
    main()
