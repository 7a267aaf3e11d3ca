/** What a sample says about the encoder's settings, in plain words with what to click. */
import type { Metrics } from "../api/shapes";
import { seconds } from "./format";

/**
 * Longest interval between keyframes that players cut into segments without trouble, in
 * milliseconds: two seconds is what is asked for, up to four is harmless.
 */
export const LONG_KEYFRAME_INTERVAL_MS = 4_000;

export function advice(metrics: Metrics | null): string | null {
  const interval = metrics?.keyframeIntervalMs ?? null;
  if (interval === null || interval <= LONG_KEYFRAME_INTERVAL_MS) return null;
  return (
    `Your keyframe interval is ${seconds(interval)} s. Set it to 2 s: ` +
    "in OBS, Settings › Output › Streaming › Keyframe Interval."
  );
}
