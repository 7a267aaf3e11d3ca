/** Closing a channel to encoders for a while. */

/** For how long, as offered: below a minute an encoder that retries is back before anybody looks. */
export const HOLDS = [
  { seconds: 60, label: "1 minute" },
  { seconds: 600, label: "10 minutes" },
  { seconds: 3_600, label: "1 hour" },
  { seconds: 86_400, label: "24 hours" },
] as const;

/** When the hold ends, in milliseconds since the epoch; null where there is none at `now`. */
export function heldUntil(holdUntil: string | null, now: number): number | null {
  const until = holdUntil === null ? Number.NaN : Date.parse(holdUntil);
  return until > now ? until : null;
}
