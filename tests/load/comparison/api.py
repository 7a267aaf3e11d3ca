"""Channels and stream keys by the product's own API, and what it says of them afterwards."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from .process import Failed

# What one user may have.
CHANNELS_PER_USER = 20
# Requests under way at once.
WORKERS = 4


class Api:
    def __init__(self, base):
        self.address = urlsplit(base)

    def call(self, method, path, body=None, token=None):
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=30)
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            # Not the body: an answer about keys may hold one.
            raise Failed(f"{method} {path}: status {answer.status}")
        return json.loads(text) if text else None

    def user(self, name, channels):
        """A new user's channels, each as (token, channel id, stream key)."""
        token = self.call("POST", "/dev/token", {"userId": name})["token"]
        made = []
        for number in range(channels):
            channel = self.call("POST", "/v1/channels", {"name": f"load {number}"}, token)["id"]
            credential = self.call("POST", f"/v1/channels/{channel}/stream-key", None, token)
            made.append((token, channel, credential["streamKey"]))
        return made

    def channels(self, count):
        users = range(-(-count // CHANNELS_PER_USER))
        sizes = [min(CHANNELS_PER_USER, count - user * CHANNELS_PER_USER) for user in users]
        with ThreadPoolExecutor(WORKERS) as workers:
            made = workers.map(lambda user: self.user(f"load-{user}", sizes[user]), users)
            return [channel for of_user in made for channel in of_user]

    def statuses(self, channels):
        def status(channel):
            token, channel_id, _key = channel
            return self.call("GET", f"/v1/channels/{channel_id}/status", None, token)

        with ThreadPoolExecutor(WORKERS) as workers:
            return list(workers.map(status, channels))
