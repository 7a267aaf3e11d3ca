"""The servers that can be compared. Each is a context manager that gives a `Running`."""

import json
import os
import shutil
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .api import Api
from .process import Failed, Process

NGINX_PROGRAMS = ["/usr/sbin/nginx", "/usr/local/nginx/sbin/nginx"]
NGINX_MODULES = ["/usr/lib/nginx/modules/ngx_rtmp_module.so", "/usr/share/nginx/modules/ngx_rtmp_module.so"]
NGINX_CONFIG = """\
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 8192; }}
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        chunk_size 4096;
        application live {{ live on; record off; }}
    }}
}}
"""


@dataclass
class Running:
    """A server that takes publishes."""

    process: Process
    url: str
    # How rtmp-load gets its keys.
    flags: list
    api: Api | None = None
    channels: list = field(default_factory=list)


@dataclass
class Place:
    """Where and with what a server is started."""

    programs: Path
    folder: Path
    server_core: int
    other_core: int
    publishers: int
    real_time: bool


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def discard(place):
    port = free_port()
    command = [place.programs / "rtmp-discard", "--listen", f"127.0.0.1:{port}"]
    with Process(command, place.server_core, place.folder / "discard.log", alone=place.real_time) as process:
        process.wait_until("listening", lambda: accepts(port))
        yield Running(process, f"rtmp://127.0.0.1:{port}/live", ["--key-template", "stream{}"])


def first_that_exists(paths, what):
    for path in paths:
        if Path(path).exists():
            return path
    raise Failed(f"{what} is missing; on Debian: apt-get install nginx-light libnginx-mod-rtmp")


@contextmanager
def nginx(place):
    port = free_port()
    program = first_that_exists(NGINX_PROGRAMS, "nginx")
    module = first_that_exists(NGINX_MODULES, "nginx's RTMP module")
    config = place.folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(module=module, folder=place.folder, port=port))
    command = [program, "-p", place.folder, "-c", config]
    with Process(command, place.server_core, place.folder / "nginx.log", alone=place.real_time) as process:
        process.wait_until("listening", lambda: accepts(port))
        yield Running(process, f"rtmp://127.0.0.1:{port}/live", ["--key-template", "stream{}"])


def endpoints(process, file):
    process.wait_until("its endpoints file", file.exists)
    return json.loads(file.read_text())


def keys_file(place, channels):
    file = place.folder / "keys"
    # Readable for nobody else, and gone with the folder.
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as keys:
        keys.writelines(f"{key}\n" for _token, _channel, key in channels)
    return ["--keys", str(file)]


@contextmanager
def redis(place):
    """The cache that edges and functions share: status and bit rates go through it."""
    program = shutil.which("redis-server")
    if not program:
        raise Failed("redis-server is missing; on Debian: apt-get install redis-server")
    port = free_port()
    command = [program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no"]
    with Process(command, place.other_core, place.folder / "redis.log") as process:
        process.wait_until("listening", lambda: accepts(port))
        yield f"redis://127.0.0.1:{port}"


@contextmanager
def stack(place):
    """Everything in one process: edge, functions, gateway, database and cache share the server's
    core."""
    file = place.folder / "stack.json"
    command = [place.programs / "stream-sync", "--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"]
    command += ["--endpoints", file, "--log", "warn"]
    with Process(command, place.server_core, place.folder / "stack.log", alone=place.real_time) as process:
        where = endpoints(process, file)
        api = Api(where["http"])
        channels = api.channels(place.publishers)
        yield Running(process, where["edges"][0]["rtmp"], keys_file(place, channels), api, channels)


def edge(tick):
    """The edge alone on the server's core; API, database, cache and the dashboards' gateway are elsewhere.
    `tick`: milliseconds between two reads of steady media; None leaves the default."""

    @contextmanager
    def start(place):
        file, port = place.folder / "stack.json", free_port()
        command = [place.programs / "stream-sync", "--http", "127.0.0.1:0", "--edges", "0"]
        command += ["--dynamodb-listen", "127.0.0.1:0", "--endpoints", file, "--log", "warn"]
        with ExitStack() as ends:
            cache = ends.enter_context(redis(place))
            command += ["--redis", cache]
            rest = ends.enter_context(Process(command, place.other_core, place.folder / "stack.log"))
            where = endpoints(rest, file)
            api = Api(where["http"])
            channels = api.channels(place.publishers)
            command = [place.programs / "edge-ingest", "--rtmp-listen", f"127.0.0.1:{port}"]
            command += ["--admin-listen", "127.0.0.1:0", "--edge-name", "measured"]
            command += ["--redis-url", cache, "--capacity", max(1000, place.publishers)]
            command += ["--websocket-management-url", where["management"]]
            command += [] if tick is None else ["--read-tick-millis", tick]
            env = os.environ | {
                "AWS_ENDPOINT_URL": where["dynamodb"],
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "RUST_LOG": "warn",
            }
            log = place.folder / "edge.log"
            process = ends.enter_context(Process(command, place.server_core, log, env, alone=place.real_time))
            process.wait_until("listening", lambda: accepts(port))
            url = f"rtmp://127.0.0.1:{port}/live"
            yield Running(process, url, keys_file(place, channels), api, channels)

    return start


SERVERS = {
    "discard": discard,
    "nginx": nginx,
    "edge": edge(None),
    "edge-undelayed": edge(0),
    "stack": stack,
}
