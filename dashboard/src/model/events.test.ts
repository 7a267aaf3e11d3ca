import { describe, expect, test } from "vitest";
import type { ChannelEvent, EventKind } from "../api/shapes";
import {
  type EventLog,
  eventWords,
  heard,
  lastNumber,
  loaded,
  MAX_EVENTS,
  missingAfter,
  NO_EVENTS,
} from "./events";

const event = (number: number): ChannelEvent => ({
  number,
  id: `reveal.${number}`,
  channelId: "a",
  at: "2030-01-02T03:04:05Z",
  type: "key_revealed",
});
const numbers = (log: EventLog) => log.events.map((each) => each.number);
const upTo = (last: number) =>
  loaded(
    NO_EVENTS,
    Array.from({ length: last }, (_, place) => event(last - place)),
  );

describe("the log of events", () => {
  test("an event that follows the last is shown at once", () => {
    expect(numbers(heard(upTo(2), [event(3)]))).toEqual([3, 2, 1]);
  });

  test("an event that is told again changes nothing", () => {
    const log = upTo(3);
    expect(heard(log, [event(2), event(3)])).toEqual(log);
  });

  test("an event that comes too early waits for what is missing", () => {
    const log = heard(upTo(2), [event(5), event(4)]);
    expect(numbers(log)).toEqual([2, 1]);
    expect(missingAfter(log)).toBe(2);
    const whole = heard(log, [event(3)]);
    expect(numbers(whole)).toEqual([5, 4, 3, 2, 1]);
    expect(missingAfter(whole)).toBeNull();
  });

  test("what is heard before the log was read waits for it", () => {
    const log = heard(NO_EVENTS, [event(3)]);
    expect(numbers(log)).toEqual([]);
    expect(missingAfter(log)).toBeNull();
    expect(numbers(loaded(log, [event(2), event(1)]))).toEqual([3, 2, 1]);
  });

  test("an older reading that comes late does not take anything back", () => {
    const log = heard(upTo(2), [event(3)]);
    expect(numbers(loaded(log, [event(2), event(1)]))).toEqual([3, 2, 1]);
  });

  test("what is kept is bounded", () => {
    let log = upTo(1);
    for (let number = 2; number <= 2 * MAX_EVENTS; number += 1) log = heard(log, [event(number)]);
    expect(log.events.length).toBe(MAX_EVENTS);
    expect(lastNumber(log)).toBe(2 * MAX_EVENTS);
    for (let number = 200; number <= 400; number += 1) log = heard(log, [event(number)]);
    expect(log.early.length).toBe(MAX_EVENTS);
  });

  test("a reader that loses, doubles and mixes up converges by replay in each of 100 runs", () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const random = generator(seed);
      const below = (bound: number) => Math.floor(random() * bound);
      const all = Array.from({ length: 8 + below(30) }, (_, place) => event(place + 1));
      const told = all
        .flatMap((each) => (random() < 0.2 ? [each, each] : [each]))
        .filter(() => random() >= 0.3)
        .map((each) => ({ each, place: each.number + 6 * random() }))
        .sort((one, other) => one.place - other.place);
      let log = upTo(0);
      let shown = 0;
      for (const { each } of told) {
        log = heard(log, [each]);
        const after = missingAfter(log);
        // The answer may be cut off, and what was appended by then is all there is.
        const written = all.slice(0, Math.max(each.number, lastNumber(log)));
        if (after !== null) log = heard(log, written.slice(after, after + 1 + below(5)));
        expect(lastNumber(log)).toBeGreaterThanOrEqual(shown);
        shown = lastNumber(log);
        const known = numbers(log);
        expect(known).toEqual(known.map((_, place) => shown - place));
      }
      for (let last = -1; last !== lastNumber(log);) {
        last = lastNumber(log);
        log = heard(log, all.slice(last, last + 7));
      }
      expect(log.events).toEqual([...all].reverse());
    }
  });
});

/** A small generator of numbers in [0, 1) that gives the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

describe("events in words", () => {
  const now = Date.parse("2030-01-02T03:04:05Z");
  test.each<[EventKind, string]>([
    [
      { type: "went_live", sessionId: "s", edgeId: null, ipAddress: "192.0.2.1" },
      "Live from 192.0.2.1",
    ],
    [{ type: "resumed", sessionId: "s", edgeId: null, ipAddress: null }, "Live again"],
    [{ type: "ended", sessionId: "s", reason: "unpublished" }, "Offline: stopped in the encoder"],
    [
      {
        type: "refused",
        reason: "already_live",
        detail: "Somebody is live.",
        ipAddress: "192.0.2.1",
        encoder: null,
      },
      "Turned away: already live from 192.0.2.1",
    ],
    [
      { type: "key_reset", overlapUntil: null, disconnectLive: true },
      "Stream key reset, running stream disconnected",
    ],
    [
      { type: "settings_changed", settings: ["name", "graceSeconds"] },
      "Settings changed: name, grace",
    ],
    [{ type: "key_revealed" }, "Stream key shown"],
  ])("%o", (kind, words) => {
    expect(eventWords(kind, now)).toBe(words);
  });

  test("a kind that this page does not know yet is named as it is", () => {
    const kind = { type: "some_day" } as unknown as EventKind;
    expect(eventWords(kind, now)).toBe("some day");
  });
});
