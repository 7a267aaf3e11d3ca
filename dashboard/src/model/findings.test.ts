import { describe, expect, test } from "vitest";
import type { Channel, Finding, ServerMessage, Status } from "../api/shapes";
import { FORGOTTEN_AFTER_MS, openFindings } from "./findings";
import { EMPTY, find, isBehind, reduce, type State } from "./live";

const NOW = Date.parse("2030-01-02T03:04:05Z");
const AT = new Date(NOW).toISOString();

const channel: Channel = {
  id: "a",
  userId: "demo",
  name: "A",
  graceSeconds: 10,
  limits: null,
  region: "local",
  createdAt: AT,
  isLive: true,
  lastLiveAt: null,
  ingestServerId: null,
  hasStreamKey: true,
  holdUntil: null,
};

const status = (gen: number, seq: number, more: Partial<Status> = {}): Status => ({
  channelId: "a",
  status: "LIVE",
  gen,
  seq,
  since: AT,
  sessionId: "session",
  edgeId: "edge",
  graceUntil: null,
  metrics: null,
  ...more,
});

const finding = (code: string): Finding => ({ code, detail: `${code}.`, since: AT });
const snapshot = (content: Status): ServerMessage => ({
  type: "snapshot",
  channels: [{ channel, status: content }],
  at: AT,
});
const pushed = (content: Status): ServerMessage => ({ type: "status", ...content, at: AT });
const diagnosis = (gen: number, seq: number, n: number, ...codes: string[]): ServerMessage => ({
  type: "diagnosis",
  channelId: "a",
  gen,
  seq,
  n,
  findings: codes.map(finding),
  at: AT,
});

function after(...messages: ServerMessage[]): State {
  return messages.reduce(
    (state, message) => reduce(state, { type: "message", message, now: NOW }),
    EMPTY,
  );
}

function codes(state: State, now = NOW): string[] {
  const known = find(state, "a");
  if (known === undefined) throw new Error("the channel is not shown");
  return openFindings(known, now).map(({ code }) => code);
}

describe("findings", () => {
  test("a list replaces the one before, and an empty one ends it", () => {
    const live = snapshot(status(1, 1));
    expect(codes(after(live, diagnosis(1, 1, 1, "x", "y")))).toEqual(["x", "y"]);
    expect(codes(after(live, diagnosis(1, 1, 1, "x", "y"), diagnosis(1, 1, 2, "y")))).toEqual([
      "y",
    ]);
    expect(codes(after(live, diagnosis(1, 1, 1, "x"), diagnosis(1, 1, 2)))).toEqual([]);
  });

  test("a list that was overtaken, or comes twice, changes nothing", () => {
    const cleared = after(snapshot(status(1, 1)), diagnosis(1, 1, 3), diagnosis(1, 1, 2, "x"));
    expect(codes(cleared)).toEqual([]);
    const twice = after(snapshot(status(1, 1)), diagnosis(1, 1, 3, "x"), diagnosis(1, 1, 3, "y"));
    expect(codes(twice)).toEqual(["x"]);
  });

  test("a list of another status than the one shown is dropped, and a newer one tells that one was lost", () => {
    const live = after(snapshot(status(2, 1)));
    for (const [gen, seq] of [
      [1, 9],
      [2, 0],
      [2, 2],
    ] as const) {
      const message = diagnosis(gen, seq, 1, "x");
      expect(codes(reduce(live, { type: "message", message, now: NOW }))).toEqual([]);
      expect(isBehind(live, message)).toBe(seq === 2);
    }
  });

  test("a stream that is not LIVE any more, or another one, has none of them", () => {
    const before = [snapshot(status(1, 1)), diagnosis(1, 1, 8, "x")];
    expect(codes(after(...before, pushed(status(1, 2, { status: "GRACE" }))))).toEqual([]);
    const again = [...before, pushed(status(2, 1))];
    expect(codes(after(...again))).toEqual([]);
    expect(codes(after(...again, diagnosis(2, 1, 1, "y")))).toEqual(["y"]);
    expect(codes(after(...before, snapshot(status(1, 1))))).toEqual(["x"]);
  });

  test("what is not told again is over", () => {
    const state = after(snapshot(status(1, 1)), diagnosis(1, 1, 1, "x"));
    expect(codes(state, NOW + FORGOTTEN_AFTER_MS)).toEqual(["x"]);
    expect(codes(state, NOW + FORGOTTEN_AFTER_MS + 1)).toEqual([]);
  });
});
