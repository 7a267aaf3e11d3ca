/** The samples that the charts show: the last minutes, in order, with gaps where nothing came. */
import type { Metrics } from "../api/shapes";

/** How far back the charts reach, in seconds. */
export const WINDOW_SECONDS = 300;
/** Longest silence that is drawn as one line, in seconds: above the five seconds between messages. */
export const JOINED_SECONDS = 8;

export interface Sample {
  /** Seconds since 1970, by the edge's clock. */
  time: number;
  bitrateKbps: number;
  fps: number | null;
}

/** Columns as a chart takes them; null breaks the line. */
export interface Columns {
  time: number[];
  bitrateKbps: (number | null)[];
  fps: (number | null)[];
}

export function toSample(metrics: Metrics): Sample {
  return {
    time: Date.parse(metrics.at) / 1000,
    bitrateKbps: metrics.bitrateKbps,
    fps: metrics.fps,
  };
}

/** Adds what is newer than all we have, and forgets what has left the window. */
export function appendSamples(
  known: readonly Sample[],
  added: readonly Sample[],
): readonly Sample[] {
  const last = known.at(-1)?.time ?? Number.NEGATIVE_INFINITY;
  const fresh = added.filter((sample) => sample.time > last);
  const newest = fresh.at(-1);
  if (newest === undefined) return known;
  return [...known, ...fresh].filter((sample) => sample.time >= newest.time - WINDOW_SECONDS);
}

export function toColumns(samples: readonly Sample[]): Columns {
  const columns: Columns = { time: [], bitrateKbps: [], fps: [] };
  let before: Sample | undefined;
  for (const sample of samples) {
    if (before !== undefined && sample.time - before.time > JOINED_SECONDS) {
      push(columns, before.time + 1, null, null);
    }
    push(columns, sample.time, sample.bitrateKbps, sample.fps);
    before = sample;
  }
  return columns;
}

function push(columns: Columns, time: number, bitrateKbps: number | null, fps: number | null) {
  columns.time.push(time);
  columns.bitrateKbps.push(bitrateKbps);
  columns.fps.push(fps);
}
