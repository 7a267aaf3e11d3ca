"""The local stack with its state on disk, and a relay before its edge that can break connections."""

import json
import pathlib
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from desktop import end

STARTS_WITHIN_SECONDS = 30
ROOT = pathlib.Path(__file__).parents[3]


class Stack:
    """A `stream-sync` that can be ended and started again with the same channel and key."""

    def __init__(self, home):
        self.home = home
        self.start()

    def start(self):
        file = self.home / "endpoints.json"
        command = [str(ROOT / "target" / "debug" / "stream-sync"), "--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"]
        command += ["--state", str(self.home / "state"), "--endpoints", str(file)]
        log = open(self.home / "stack.log", "a")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        until = time.monotonic() + STARTS_WITHIN_SECONDS
        while not file.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("stream-sync does not start: " + "\n".join(self.log()[-5:]))
            time.sleep(0.05)
        endpoints = json.loads(file.read_text())
        self.http = endpoints["http"]
        self.channel = endpoints["demo"]["channelId"]
        edge = urllib.parse.urlsplit(endpoints["edges"][0]["rtmp"])
        self.edge = (edge.hostname, edge.port)
        self.token = self.call("POST", "/dev/token", {"userId": endpoints["demo"]["userId"]})["token"]

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.http + path, method=method)
        request.add_header("content-type", "application/json")
        if hasattr(self, "token"):
            request.add_header("authorization", "Bearer " + self.token)
        body = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, body) as answer:
            return json.load(answer)

    def key(self):
        return self.call("POST", f"/v1/channels/{self.channel}/stream-key/reveal")["streamKey"]

    def reset_key(self):
        return self.call("POST", f"/v1/channels/{self.channel}/stream-key/reset", {"disconnectLive": True})

    def status(self):
        return self.call("GET", f"/v1/channels/{self.channel}/status")

    def sessions(self):
        return self.call("GET", f"/v1/channels/{self.channel}/sessions")["items"]

    def log(self):
        return (self.home / "stack.log").read_text(errors="replace").splitlines()

    def stop(self):
        end(self.process)

    def kill(self):
        """Ends it as a power cut does: nothing is said to anybody."""
        self.process.kill()
        self.process.wait()
        (self.home / "endpoints.json").unlink()


class Relay:
    """What OBS connects to. It stays where it is while the stack comes and goes."""

    def __init__(self, stack):
        self.stack = stack
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.server = f"rtmp://127.0.0.1:{self.listener.getsockname()[1]}/live"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Breaks every connection, as a router that restarts does."""
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.sockets.clear()

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(self.stack.edge)
            except OSError:
                near.close()
                continue
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=ends, daemon=True).start()

    @staticmethod
    def _copy(source, target):
        try:
            while taken := source.recv(65536):
                target.sendall(taken)
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
