import { expect, test } from "vitest";
import type { Refused } from "../api/shapes";
import { addRefusal, retryWords } from "./refusals";

const NOW = Date.parse("2030-01-02T03:04:05Z");

const refused = (retryAfterSeconds: number | null): Refused => ({
  id: "attempt",
  channelId: "a",
  reason: "unauthorized",
  detail: "The stream key is wrong or was reset.",
  ipAddress: "192.0.2.1",
  encoder: null,
  retryAfterSeconds,
  at: "2030-01-02T03:00:00Z",
});

test("an encoder that comes back is waited for by our own clock, until it should be there", () => {
  const [row] = addRefusal([], refused(4), NOW);
  expect(row?.retryAt).toBe(NOW + 4_000);
  expect(retryWords(NOW + 4_000, NOW)).toBe("The encoder tries again by itself in about 4 s.");
  expect(retryWords(NOW + 4_000, NOW + 4_000)).toBeNull();
});

test("of an encoder that does not come back nothing is said", () => {
  const [row] = addRefusal([], refused(null), NOW);
  expect(retryWords(row?.retryAt ?? null, NOW)).toBeNull();
});
