/**
 * What the status card says at a moment: the last status, unless the page can no longer vouch for it.
 *
 * A live channel is heard of at least every five seconds. An offline one is not, so there the
 * connection itself is the sign of life.
 */
import type { ChannelState } from "./live";

/** Longest silence before the page admits that it does not know, in milliseconds. */
export const SILENCE_MS = 12_000;

/** The page's own connection. */
export interface Link {
  /** Whether it is open and has brought its snapshot: until then, what is shown may be old. */
  isUp: boolean;
  /** Since when it is up or not, by our clock. */
  since: number;
}

/** Moments are by our clock, in milliseconds. */
export type Signal =
  | { kind: "connecting" }
  | { kind: "offline"; since: number | null }
  | { kind: "live"; since: number | null }
  | { kind: "reconnecting"; since: number | null; secondsLeft: number; fractionLeft: number }
  | { kind: "unknown"; heardAt: number | null };

export function signalOf(known: ChannelState, link: Link, now: number): Signal {
  const { status, heardAt } = known;
  if (isSilent(known, link, now)) return { kind: "unknown", heardAt };
  if (status === null) return { kind: "connecting" };
  const since = byOurClock(status.since, known.clockOffset);
  switch (status.status) {
    case "OFFLINE":
      return { kind: "offline", since };
    case "LIVE":
      return { kind: "live", since };
    case "GRACE":
      return { kind: "reconnecting", since, ...graceLeft(known, now) };
  }
}

/** Whole seconds of grace left, never below zero, and the part of the whole grace that they are. */
export function graceLeft(
  known: ChannelState,
  now: number,
): { secondsLeft: number; fractionLeft: number } {
  const until = byOurClock(known.status?.graceUntil ?? null, known.clockOffset) ?? now;
  const left = Math.max(0, until - now);
  const whole = Math.max(1, known.channel.graceSeconds) * 1000;
  return { secondsLeft: Math.ceil(left / 1000), fractionLeft: Math.min(1, left / whole) };
}

function isSilent(known: ChannelState, link: Link, now: number): boolean {
  const { status, heardAt } = known;
  if (status === null || heardAt === null) return now - link.since > SILENCE_MS;
  const linkDown = link.isUp ? 0 : now - link.since;
  switch (status.status) {
    case "OFFLINE":
      return linkDown > SILENCE_MS;
    case "LIVE":
      return now - heardAt > SILENCE_MS;
    case "GRACE": {
      const until = byOurClock(status.graceUntil, known.clockOffset) ?? heardAt;
      return linkDown > SILENCE_MS || now - Math.max(until, heardAt) > SILENCE_MS;
    }
  }
}

/** The sender's moment on our clock, so that a wrong clock here changes no countdown. */
function byOurClock(moment: string | null, clockOffset: number): number | null {
  return moment === null ? null : Date.parse(moment) - clockOffset;
}
