"""OBS on a virtual screen, with a home of its own, driven through its own WebSocket.

Invariants: nothing outside the temporary home is read or written; every program started here is
ended by its id. Absent on purpose: clicks, which break with every theme.
"""

import base64
import json
import os
import signal
import socket
import subprocess
import threading
import time

STARTS_WITHIN_SECONDS = 60  # OBS compiles its shaders in software
ENDS_WITHIN_SECONDS = 10
ANSWERS_WITHIN_SECONDS = 10
PROFILE = "observed"

GLOBAL_INI = """[General]
FirstRun=true
Pre19Defaults=false
Pre21Defaults=false
Pre23Defaults=false
Pre24.1Defaults=false
EnableAutoUpdates=false
[Basic]
Profile={profile}
ProfileDir={profile}
SceneCollection={profile}
SceneCollectionFile={profile}
[BasicWindow]
WarnBeforeStartingStream=false
WarnBeforeStoppingStream=false
[OBSWebSocket]
FirstLoad=false
ServerEnabled=true
ServerPort={port}
AuthRequired=false
AlertsEnabled=false
"""

# A new profile's settings, but for a small picture: the point is the dialogue, not the encoder.
BASIC_INI = """[General]
Name={profile}
[Video]
BaseCX=640
BaseCY=360
OutputCX=640
OutputCY=360
FPSCommon=30
[Output]
Mode=Simple
[SimpleOutput]
VBitrate=800
Preset=ultrafast
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Screen:
    """A virtual screen with a window manager, without which Qt's dialogs get no focus."""

    def __init__(self, home):
        reading, writing = os.pipe()
        log = open(home / "xvfb.log", "w")
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
        self.server = subprocess.Popen(command, pass_fds=[writing], stderr=log)
        os.close(writing)
        with os.fdopen(reading) as numbers:
            self.display = ":" + numbers.readline().strip()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "DISPLAY": self.display,
            "LANG": "C.UTF-8",
            "QT_QPA_PLATFORM": "xcb",
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }
        self.manager = subprocess.Popen(["openbox"], env=self.environment, stderr=log)

    def picture(self, path):
        """What a person would see now, as a PNG."""
        grab = ["ffmpeg", "-loglevel", "error", "-f", "x11grab", "-video_size", "1280x1024"]
        subprocess.run([*grab, "-i", self.display, "-frames:v", "1", "-y", str(path)], check=False)

    def shows(self, title):
        """Whether there is a window of this title."""
        search = ["xdotool", "search", "--onlyvisible", "--name", title]
        found = subprocess.run(
            search, env=self.environment, stdout=subprocess.DEVNULL, timeout=ANSWERS_WITHIN_SECONDS, check=False
        )
        return found.returncode == 0

    def stop(self):
        end(self.manager)
        end(self.server)


class Obs:
    """A running OBS."""

    def __init__(self, screen, home, server, key):
        self.home = home
        port = free_port()
        self._write_settings(port, server, key)
        command = ["obs", "--multi", "--profile", PROFILE, "--collection", PROFILE]
        command += ["--minimize-to-tray", "--disable-missing-files-check", "--disable-updater"]
        out = open(home / "obs.out", "w")
        environment = screen.environment | {"HOME": str(home)}
        self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        self.events = []
        self._answers = {}
        self._arrived = threading.Condition()
        self._identified = threading.Event()
        self._socket = _connect(port, self.process)
        threading.Thread(target=self._read, daemon=True).start()
        if not self._identified.wait(ANSWERS_WITHIN_SECONDS):
            raise TimeoutError("OBS does not greet: " + (home / "obs.out").read_text()[-500:])
        self.request("GetVersion")

    def _write_settings(self, port, server, key):
        root = self.home / ".config" / "obs-studio"
        profile = root / "basic" / "profiles" / PROFILE
        profile.mkdir(parents=True)
        (root / "global.ini").write_text(GLOBAL_INI.format(profile=PROFILE, port=port))
        (profile / "basic.ini").write_text(BASIC_INI.format(profile=PROFILE))
        service = {"type": "rtmp_custom", "settings": {"server": server, "key": key, "use_auth": False}}
        (profile / "service.json").write_text(json.dumps(service))

    def log(self):
        """OBS's own log file so far, as lines."""
        files = sorted((self.home / ".config" / "obs-studio" / "logs").glob("*.txt"))
        return files[-1].read_text(errors="replace").splitlines() if files else []

    def use_key(self, server, key):
        settings = {"server": server, "key": key, "use_auth": False}
        service = {"streamServiceType": "rtmp_custom", "streamServiceSettings": settings}
        self.request("SetStreamServiceSettings", service)

    def request(self, kind, arguments=None):
        with self._arrived:
            name = str(len(self._answers))
            self._answers[name] = None
        request = {"requestType": kind, "requestId": name, "requestData": arguments or {}}
        until = time.monotonic() + STARTS_WITHIN_SECONDS
        while True:
            self._send(6, request)
            with self._arrived:
                self._arrived.wait_for(lambda: self._answers[name], ANSWERS_WITHIN_SECONDS)
                answer, self._answers[name] = self._answers[name], None
            # 207: OBS accepts connections some seconds before it can do anything.
            if answer and answer["requestStatus"]["code"] != 207:
                return answer.get("responseData", {})
            if time.monotonic() > until:
                raise TimeoutError(f"OBS does not answer {kind}: {answer}")

    def outputs_since(self, moment):
        """Each change of the streaming output after `moment`, as (seconds after it, state)."""
        prefix = "OBS_WEBSOCKET_OUTPUT_"
        changes = [event for event in list(self.events) if event[1] == "StreamStateChanged"]
        return [
            (round(at - moment, 1), data["outputState"].removeprefix(prefix))
            for at, _, data in changes
            if at >= moment
        ]

    def stop(self):
        self._socket.close()
        end(self.process)

    def _send(self, operation, data):
        payload = json.dumps({"op": operation, "d": data}).encode()
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        # A mask of zeros leaves the payload as it is.
        self._socket.sendall(b"\x81" + length + bytes(4) + payload)

    def _read(self):
        reader = self._socket.makefile("rb")
        while (head := reader.read(2)) and head[0] & 0x0F == 1:
            length = head[1] & 0x7F
            if length > 125:
                length = int.from_bytes(reader.read(2 if length == 126 else 8), "big")
            message = json.loads(reader.read(length))
            with self._arrived:
                self._take(message["op"], message["d"])
                self._arrived.notify_all()

    def _take(self, operation, data):
        match operation:
            case 0:
                # Sooner, OBS does not know the connection and closes it.
                self._send(1, {"rpcVersion": 1})
            case 2:
                self._identified.set()
            case 5:
                self.events.append((time.monotonic(), data["eventType"], data.get("eventData")))
            case 7:
                self._answers[data["requestId"]] = data


def _connect(port, process):
    until = time.monotonic() + STARTS_WITHIN_SECONDS
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += connection.recv(1)
    return connection
