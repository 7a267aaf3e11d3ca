/**
 * What the server finds wrong with a live stream. Each message is the whole list, and replaces the one
 * before; while something is wrong it comes again each ten seconds.
 */
import type { DiagnosisMessage, Finding } from "../api/shapes";
import type { ChannelState } from "./live";

/**
 * Findings that were not told again for so long are over, in milliseconds: two repeats may be lost, and
 * the message that said so, too.
 */
export const FORGOTTEN_AFTER_MS = 25_000;

/** The last list. */
export interface Diagnosis {
  /** Its number within the status. */
  n: number;
  findings: readonly Finding[];
  /** When it came, by our clock in milliseconds. */
  heardAt: number;
}

/** Takes a list unless it is older than the one that is known. */
export function withDiagnosis(
  known: Diagnosis | null,
  message: DiagnosisMessage,
  now: number,
): Diagnosis | null {
  if (known !== null && message.n <= known.n) return known;
  return { n: message.n, findings: message.findings, heardAt: now };
}

/** What is wrong with a channel's stream now, as far as the page knows. */
export function openFindings(known: ChannelState, now: number): readonly Finding[] {
  const { diagnosis, status } = known;
  if (diagnosis === null || status?.status !== "LIVE") return [];
  return now - diagnosis.heardAt > FORGOTTEN_AFTER_MS ? [] : diagnosis.findings;
}
