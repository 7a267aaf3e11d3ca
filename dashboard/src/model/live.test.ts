import { describe, expect, test } from "vitest";
import type { Channel, Metrics, Refused, ServerMessage, Status } from "../api/shapes";
import { type ChannelState, EMPTY, type Event, find, isBehind, reduce, type State } from "./live";

const NOW = Date.parse("2030-01-02T03:04:05Z");
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();

const channel = (id: string): Channel => ({
  id,
  userId: "demo",
  name: `Channel ${id}`,
  graceSeconds: 10,
  limits: null,
  region: "local",
  createdAt: at(-3600),
  isLive: false,
  lastLiveAt: null,
  ingestServerId: null,
  hasStreamKey: true,
  holdUntil: null,
});

const status = (gen: number, seq: number, more: Partial<Status> = {}): Status => ({
  channelId: "a",
  status: "LIVE",
  gen,
  seq,
  since: at(0),
  sessionId: "session",
  edgeId: "edge",
  graceUntil: null,
  metrics: null,
  ...more,
});

const sample = (seconds: number, bitrateKbps = 2500): Metrics => ({
  bitrateKbps,
  width: 640,
  height: 360,
  fps: 30,
  keyframeIntervalMs: 2000,
  videoCodec: "h264",
  audioCodec: "aac",
  at: at(seconds),
});

const message = (content: ServerMessage): Event => ({
  type: "message",
  message: content,
  now: NOW,
});
const snapshot = (...statuses: Status[]): Event =>
  message({
    type: "snapshot",
    channels: statuses.map((each) => ({ channel: channel(each.channelId), status: each })),
    at: at(0),
  });
const pushed = (content: Status): Event => message({ type: "status", ...content, at: at(0) });
const metrics = (gen: number, seq: number, n: number, ...samples: Metrics[]): Event =>
  message({ type: "metrics", channelId: "a", gen, seq, n, samples, at: at(0) });
const refused = (id: string, seconds: number): Event =>
  message({ type: "refused", ...refusal(id, seconds) });
const refusal = (id: string, seconds: number): Refused => ({
  id,
  channelId: "a",
  reason: "unauthorized",
  detail: "The stream key is wrong or was reset.",
  ipAddress: "192.0.2.1",
  encoder: null,
  retryAfterSeconds: null,
  at: at(seconds),
});

function after(...events: Event[]): State {
  return events.reduce(reduce, EMPTY);
}

function shown(...events: Event[]): ChannelState {
  const known = find(after(...events), "a");
  if (known === undefined) throw new Error("the channel is not shown");
  return known;
}

const version = (known: ChannelState) => [known.status?.gen, known.status?.seq];

describe("status messages", () => {
  test("a status of a lower seq within the same gen is dropped", () => {
    const known = shown(snapshot(status(4, 2)), pushed(status(4, 1, { status: "OFFLINE" })));
    expect(known.status?.status).toBe("LIVE");
    expect(version(known)).toEqual([4, 2]);
  });

  test("a status of a lower gen is dropped however high its seq is", () => {
    const known = shown(snapshot(status(4, 0)), pushed(status(3, 99, { status: "OFFLINE" })));
    expect(version(known)).toEqual([4, 0]);
  });

  test("a status of a higher gen is taken however low its seq is", () => {
    const known = shown(snapshot(status(4, 9)), pushed(status(5, 0, { status: "OFFLINE" })));
    expect(known.status?.status).toBe("OFFLINE");
    expect(version(known)).toEqual([5, 0]);
  });

  test("a status of one channel changes no other", () => {
    const state = after(
      snapshot(status(1, 0), status(1, 0, { channelId: "b" })),
      pushed(status(2, 0, { channelId: "b", status: "OFFLINE" })),
    );
    expect(find(state, "a")?.status?.status).toBe("LIVE");
    expect(find(state, "b")?.status?.status).toBe("OFFLINE");
  });

  test("the same status once more does not restart the count of samples", () => {
    const repeated = shown(
      snapshot(status(1, 1)),
      metrics(1, 1, 7, sample(1, 2000)),
      pushed(status(1, 1)),
      metrics(1, 1, 6, sample(2, 9999)),
    );
    expect(repeated.metrics?.bitrateKbps).toBe(2000);
  });

  test("a status that is not LIVE takes the figures away and keeps the chart", () => {
    const known = shown(
      snapshot(status(1, 1)),
      metrics(1, 1, 1, sample(1)),
      pushed(status(1, 2, { status: "GRACE", graceUntil: at(10) })),
    );
    expect(known.metrics).toBeNull();
    expect(known.samples).toHaveLength(1);
  });
});

describe("metrics", () => {
  test("metrics of an older version are dropped", () => {
    const known = shown(snapshot(status(2, 1)), metrics(1, 9, 50, sample(1)));
    expect(known.metrics).toBeNull();
    expect(known.samples).toHaveLength(0);
  });

  test("metrics whose n is not above the last are dropped", () => {
    const events = [snapshot(status(2, 1)), metrics(2, 1, 5, sample(5, 5000))];
    const known = shown(...events, metrics(2, 1, 5, sample(6, 1)), metrics(2, 1, 4, sample(7, 1)));
    expect(known.metrics?.bitrateKbps).toBe(5000);
  });

  test("n starts again with each version", () => {
    const known = shown(
      snapshot(status(2, 1)),
      metrics(2, 1, 90, sample(1, 1000)),
      pushed(status(2, 3)),
      metrics(2, 3, 1, sample(9, 2000)),
    );
    expect(known.metrics?.bitrateKbps).toBe(2000);
  });

  test("several samples in one message all reach the chart, and the last is shown", () => {
    const known = shown(
      snapshot(status(1, 1)),
      metrics(1, 1, 3, sample(1, 100), sample(2, 200), sample(3, 300)),
    );
    expect(known.samples.map((each) => each.bitrateKbps)).toEqual([100, 200, 300]);
    expect(known.metrics?.bitrateKbps).toBe(300);
  });

  test("metrics that overtook their status do not show an offline channel as live", () => {
    const known = shown(snapshot(status(1, 0, { status: "OFFLINE" })), metrics(1, 0, 1, sample(1)));
    expect(known.metrics).toBeNull();
  });
});

describe("snapshots", () => {
  test("a snapshot replaces the list of channels", () => {
    const state = after(
      snapshot(status(1, 0), status(1, 0, { channelId: "b" })),
      snapshot(status(1, 0, { channelId: "c" }), status(1, 0)),
    );
    expect(state.channels.map((known) => known.channel.id)).toEqual(["c", "a"]);
  });

  test("the first snapshot of a connection replaces what an earlier connection said", () => {
    const known = shown(
      snapshot(status(7, 3)),
      { type: "connected" },
      snapshot(status(1, 0, { status: "OFFLINE" })),
    );
    expect(known.status?.status).toBe("OFFLINE");
    expect(version(known)).toEqual([1, 0]);
  });

  test("a snapshot never takes back a status that the same connection has shown", () => {
    const known = shown(
      snapshot(status(1, 0, { status: "OFFLINE" })),
      { type: "connected" },
      pushed(status(2, 1)),
      snapshot(status(1, 0, { status: "OFFLINE" })),
    );
    expect(known.status?.status).toBe("LIVE");
  });

  test("a push of a former holder is dropped on a new connection, too", () => {
    const known = shown(
      snapshot(status(7, 3)),
      { type: "connected" },
      pushed(status(6, 9, { status: "OFFLINE" })),
    );
    expect(version(known)).toEqual([7, 3]);
  });

  test("the chart survives a reconnection", () => {
    const known = shown(
      snapshot(status(1, 1)),
      metrics(1, 1, 1, sample(1)),
      { type: "connected" },
      snapshot(status(1, 1, { metrics: sample(4) })),
    );
    expect(known.samples.map((each) => each.time)).toEqual([NOW / 1000 + 1, NOW / 1000 + 4]);
  });

  test("listing the channels by HTTP keeps the statuses that are known", () => {
    const known = shown(snapshot(status(3, 1)), {
      type: "channels",
      channels: [{ ...channel("a"), name: "New name" }],
    });
    expect(known.channel.name).toBe("New name");
    expect(version(known)).toEqual([3, 1]);
  });
});

describe("refused attempts", () => {
  test("the same message twice is one row", () => {
    const { refusals } = after(refused("x", 1), refused("x", 1));
    expect(refusals.map(({ id, times }) => [id, times])).toEqual([["x", 1]]);
  });

  test("a later attempt under the same id counts up and moves to the front", () => {
    const { refusals } = after(refused("x", 1), refused("y", 2), refused("x", 3));
    expect(refusals.map(({ id, times }) => [id, times])).toEqual([
      ["x", 2],
      ["y", 1],
    ]);
    expect(refusals[0]?.at).toBe(at(3));
  });

  test("the list is bounded and keeps the newest", () => {
    const many = Array.from({ length: 80 }, (_, index) => refused(`id-${index}`, index));
    const { refusals } = after(...many);
    expect(refusals).toHaveLength(50);
    expect(refusals[0]?.id).toBe("id-79");
  });
});

describe("what was missed", () => {
  const state = after(snapshot(status(2, 1)));
  const message = (event: Event) => (event as Extract<Event, { type: "message" }>).message;

  test("samples of a newer version than the one shown tell that a status was lost", () => {
    expect(isBehind(state, message(metrics(2, 2, 1, sample(1))))).toBe(true);
    expect(isBehind(state, message(metrics(2, 1, 1, sample(1))))).toBe(false);
    expect(isBehind(state, message(metrics(2, 0, 1, sample(1))))).toBe(false);
  });

  test("a status of an unknown channel tells that the list is old", () => {
    expect(isBehind(state, message(pushed(status(1, 0, { channelId: "new" }))))).toBe(true);
    expect(isBehind(state, message(pushed(status(9, 0))))).toBe(false);
  });
});
