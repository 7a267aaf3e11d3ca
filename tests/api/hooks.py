"""What no description can say of this API, and one check more."""

import json
import os
import urllib.parse
import urllib.request

import schemathesis
from schemathesis import GenerationMode

BASE = os.environ["STREAM_SYNC_API_BASE"]
TOKEN = os.environ["STREAM_SYNC_API_TOKEN"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Only a list knows its cursors: a request that is to be good asks with one of them.

    No schema tells a cursor from another text of its form, which the API refuses, and rightly. A
    request that is to be bad keeps what was made up.
    """
    is_good = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if not is_good or "cursor" not in (case.query or {}):
        return
    cursor = cursor_of(case.formatted_path)
    if cursor is None:
        del case.query["cursor"]
    else:
        case.query["cursor"] = cursor


def cursor_of(path):
    """The cursor of the list's second row, where it has two."""
    url = f"{BASE}{path}?limit=1"
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer).get("cursor")
    except urllib.error.HTTPError:
        # The channel is one that was made up.
        return None


@schemathesis.check
class EveryOperationSucceeds:
    """A description whose operations only ever refuse is not tested by what comes of them."""

    def __init__(self):
        self.tried = set()
        self.done = set()

    def after_response(self, context, response, case):
        self.tried.add(case.operation.label)
        if response.status_code < 300:
            self.done.add(case.operation.label)

    def after_run(self, context):
        never = sorted(self.tried - self.done)
        if never:
            raise AssertionError(f"never succeeded: {', '.join(never)}")
