import { describe, expect, test } from "vitest";
import type { Status } from "../api/shapes";
import type { ChannelState } from "./live";
import { type Link, signalOf } from "./signal";

const NOW = Date.parse("2030-01-02T03:04:05Z");
const UP: Link = { isUp: true, since: NOW - 60_000 };

interface Given {
  status: Status["status"];
  heardSecondsAgo?: number;
  graceEndsIn?: number;
  clockOffset?: number;
}

function known({ status, heardSecondsAgo = 0, graceEndsIn, clockOffset = 0 }: Given): ChannelState {
  const ends = graceEndsIn === undefined ? null : NOW + graceEndsIn * 1000 + clockOffset;
  return {
    channel: {
      id: "a",
      userId: "demo",
      name: "A",
      graceSeconds: 10,
      limits: null,
      region: "local",
      createdAt: "2030-01-01T00:00:00Z",
      isLive: false,
      lastLiveAt: null,
      ingestServerId: null,
      hasStreamKey: true,
      holdUntil: null,
    },
    status: {
      channelId: "a",
      status,
      gen: 1,
      seq: 1,
      since: new Date(NOW - 5000 + clockOffset).toISOString(),
      sessionId: null,
      edgeId: null,
      graceUntil: ends === null ? null : new Date(ends).toISOString(),
      metrics: null,
    },
    clockOffset,
    heardAt: NOW - heardSecondsAgo * 1000,
    isCurrent: true,
    n: 0,
    metrics: null,
    diagnosis: null,
    samples: [],
  };
}

describe("the countdown of the grace", () => {
  test("it counts whole seconds and reaches zero exactly at the end", () => {
    const channel = known({ status: "GRACE", graceEndsIn: 10 });
    const secondsLeft = [0, 1, 9_000, 9_001, 10_000].map((passed) => {
      const signal = signalOf(channel, UP, NOW + passed);
      return signal.kind === "reconnecting" ? signal.secondsLeft : signal.kind;
    });
    expect(secondsLeft).toEqual([10, 10, 1, 1, 0]);
  });

  test("it never goes below zero", () => {
    const signal = signalOf(known({ status: "GRACE", graceEndsIn: 1 }), UP, NOW + 5_000);
    expect(signal).toMatchObject({ kind: "reconnecting", secondsLeft: 0, fractionLeft: 0 });
  });

  test("a clock that is an hour wrong on this device changes nothing", () => {
    const channel = known({ status: "GRACE", graceEndsIn: 7, clockOffset: -3_600_000 });
    expect(signalOf(channel, UP, NOW)).toMatchObject({
      secondsLeft: 7,
      fractionLeft: 0.7,
      since: NOW - 5000,
    });
  });
});

describe("a signal that cannot be vouched for", () => {
  test("a live channel that is not heard of for 12 s is unknown", () => {
    const silent = (heardSecondsAgo: number) =>
      signalOf(known({ status: "LIVE", heardSecondsAgo }), UP, NOW).kind;
    expect([silent(0), silent(12), silent(12.1)]).toEqual(["live", "live", "unknown"]);
  });

  test("an offline channel needs no messages while the connection is open", () => {
    const channel = known({ status: "OFFLINE", heardSecondsAgo: 3_600 });
    expect(signalOf(channel, UP, NOW).kind).toBe("offline");
  });

  test("an offline channel is unknown 12 s after the connection was lost, not at once", () => {
    const channel = known({ status: "OFFLINE", heardSecondsAgo: 3_600 });
    const lost = (seconds: number): Link => ({ isUp: false, since: NOW - seconds * 1000 });
    expect(signalOf(channel, lost(3), NOW).kind).toBe("offline");
    expect(signalOf(channel, lost(13), NOW).kind).toBe("unknown");
  });

  test("a grace that ended long ago without a word is unknown", () => {
    const channel = known({ status: "GRACE", heardSecondsAgo: 20, graceEndsIn: -10 });
    expect(signalOf(channel, UP, NOW).kind).toBe("reconnecting");
    expect(signalOf(channel, UP, NOW + 2_001).kind).toBe("unknown");
  });

  test("before the first snapshot it is connecting, and unknown when none comes", () => {
    const unheard: ChannelState = { ...known({ status: "OFFLINE" }), status: null, heardAt: null };
    const link: Link = { isUp: false, since: NOW };
    expect(signalOf(unheard, link, NOW + 11_000).kind).toBe("connecting");
    expect(signalOf(unheard, link, NOW + 13_000).kind).toBe("unknown");
  });
});
