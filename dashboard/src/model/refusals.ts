/** Attempts to publish that were turned away, as the page lists them. */
import type { Refused } from "../api/shapes";
import { duration } from "./format";

/** How many are kept; older ones are in the API's history. */
export const MAX_REFUSALS = 50;

export interface Refusal {
  id: string;
  channelId: string;
  reason: string;
  detail: string;
  ipAddress: string;
  encoder: string | null;
  /** The last attempt. */
  at: string;
  /** When the encoder tries again by itself, by our clock in milliseconds; null: not that we know. */
  retryAt: number | null;
  /** How many attempts this row stands for. */
  times: number;
}

/**
 * Adds an attempt, newest first. The same id again is the same row: counted when it is a later
 * attempt, ignored when it is the same message once more.
 */
export function addRefusal(
  known: readonly Refusal[],
  refused: Refused,
  now: number,
): readonly Refusal[] {
  const before = known.find((row) => row.id === refused.id && row.channelId === refused.channelId);
  if (before !== undefined && Date.parse(refused.at) <= Date.parse(before.at)) return known;
  const row: Refusal = {
    id: refused.id,
    channelId: refused.channelId,
    reason: refused.reason,
    detail: refused.detail,
    ipAddress: refused.ipAddress,
    encoder: refused.encoder,
    at: refused.at,
    retryAt: refused.retryAfterSeconds === null ? null : now + refused.retryAfterSeconds * 1000,
    times: (before?.times ?? 0) + 1,
  };
  return [row, ...known.filter((each) => each !== before)].slice(0, MAX_REFUSALS);
}

/** When the encoder comes back, in words; null once it should have, or where it does not. */
export function retryWords(retryAt: number | null, now: number): string | null {
  if (retryAt === null || retryAt <= now) return null;
  return `The encoder tries again by itself in about ${duration(retryAt - now)}.`;
}

const TITLES: Record<string, string> = {
  unauthorized: "Wrong stream key",
  already_live: "Already live",
  on_hold: "Channel on hold",
  limit: "Over a limit",
  service_unavailable: "No room or no database",
};

/** A heading in plain words; an unknown code is shown as it is. */
export function refusalTitle(reason: string): string {
  return TITLES[reason] ?? reason.replaceAll("_", " ");
}
