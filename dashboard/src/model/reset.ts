/** What a reset of the stream key does to encoders, said before it is done. */

/** For how long an old key may go on starting streams, as offered. */
export const OVERLAPS = [
  { seconds: 0, label: "Not at all: it stops working now" },
  { seconds: 600, label: "For 10 more minutes" },
  { seconds: 3_600, label: "For 1 more hour" },
  { seconds: 86_400, label: "For 24 more hours" },
] as const;

export interface ResetChoice {
  /** Whether a stream is live, or dropped and awaited back. */
  isRunning: boolean;
  disconnectLive: boolean;
  overlapSeconds: number;
}

/** One sentence about the running stream; null where there is none. */
export function consequence({
  isRunning,
  disconnectLive,
  overlapSeconds,
}: ResetChoice): string | null {
  if (!isRunning) return null;
  const returns =
    overlapSeconds > 0
      ? "An encoder that still has the old key can come back until that time is over."
      : "It can only come back with the new key.";
  return disconnectLive
    ? `The running stream ends within a second. ${returns}`
    : `The running stream goes on until it stops or drops. ${returns}`;
}
