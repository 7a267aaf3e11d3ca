import { expect, test } from "vitest";
import { appendSamples, type Sample, toColumns, WINDOW_SECONDS } from "./samples";

const sample = (time: number): Sample => ({ time, bitrateKbps: 1000 + time, fps: 30 });
const times = (samples: readonly Sample[]) => samples.map(({ time }) => time);

test("samples that are not newer than all others are ignored", () => {
  const known = appendSamples([], [sample(1), sample(2), sample(3)]);
  expect(times(appendSamples(known, [sample(2), sample(3), sample(4)]))).toEqual([1, 2, 3, 4]);
});

test("nothing new leaves the very same list, so that nothing is drawn anew", () => {
  const known = appendSamples([], [sample(1)]);
  expect(appendSamples(known, [sample(1)])).toBe(known);
});

test("what has left the window is forgotten", () => {
  const known = appendSamples([], [sample(0), sample(1), sample(10)]);
  expect(times(appendSamples(known, [sample(WINDOW_SECONDS + 5)]))).toEqual([
    10,
    WINDOW_SECONDS + 5,
  ]);
});

test("a silence breaks the line instead of being drawn over", () => {
  const columns = toColumns([sample(1), sample(6), sample(40)]);
  expect(columns.time).toEqual([1, 6, 7, 40]);
  expect(columns.bitrateKbps).toEqual([1001, 1006, null, 1040]);
});
