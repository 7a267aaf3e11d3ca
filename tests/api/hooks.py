"""What no description can say of this API, and one check more."""

import ipaddress
import itertools
import json
import os
import urllib.error
import urllib.request

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

BASE = os.environ["STREAM_SYNC_API_BASE"]
TOKEN = os.environ["STREAM_SYNC_API_TOKEN"]

requests = itertools.count()


def network(address):
    """The address itself, or a network around it."""
    bits = ipaddress.ip_address(address).max_prefixlen
    return st.one_of(st.just(str(address)), st.integers(0, bits).map(lambda some: f"{address}/{some}"))


schemathesis.openapi.format("ip-network", st.ip_addresses().flatmap(network))


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives a request that is to be good what is good beyond its form; a bad one stays as it is.

    - Only a list knows its cursors. Another text of their form is refused, and rightly.
    - The event log is read by `after` or by `cursor`; OpenAPI has no word for "not both".
    - An `Idempotency-Key` is for one request; made-up ones are alike sooner or later.
    """
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    query = case.query or {}
    if "after" in query:
        query.pop("cursor", None)
    if "cursor" in query:
        query["cursor"] = cursor_of(case.formatted_path)
        if query["cursor"] is None:
            del query["cursor"]
    for name in case.headers or {}:
        if name.lower() == "idempotency-key":
            case.headers[name] = f"{case.headers[name][:200]}-{next(requests)}"


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
