/**
 * The newest events of one channel: heard as they happen, and read again where one is missing.
 *
 * An event counts when the one before it is known. One that comes too early waits until what is
 * missing was read; one that comes again changes nothing. Pure, like everything in the model.
 */
import type { ChannelEvent, EventKind } from "../api/shapes";
import { endReason, localTimes, moment, shortId } from "./format";
import { refusalTitle } from "./refusals";

/** How many are kept; older ones are in the API. */
export const MAX_EVENTS = 50;

export interface EventLog {
  /** Newest first, without a gap. */
  events: readonly ChannelEvent[];
  /** Heard before one that comes before them; oldest first. */
  early: readonly ChannelEvent[];
  /** Whether the newest were read at all: until then everything is early. */
  isLoaded: boolean;
}

export const NO_EVENTS: EventLog = { events: [], early: [], isLoaded: false };

/** Takes the newest events as they were read, newest first: what is known must not end before them. */
export function loaded(log: EventLog, newest: readonly ChannelEvent[]): EventLog {
  const isOlder = (newest[0]?.number ?? 0) < lastNumber(log);
  const events = isOlder ? log.events : newest.slice(0, MAX_EVENTS);
  return settle({ events, early: log.early, isLoaded: true });
}

/** Takes events that were told, or read after the last, in any order and any number of times. */
export function heard(log: EventLog, arrived: readonly ChannelEvent[]): EventLog {
  return settle({ ...log, early: [...log.early, ...arrived] });
}

/** The number after which events are missing; null where none is known to be. */
export function missingAfter(log: EventLog): number | null {
  return log.isLoaded && log.early.length > 0 ? lastNumber(log) : null;
}

export function lastNumber(log: EventLog): number {
  return log.events[0]?.number ?? 0;
}

function settle(log: EventLog): EventLog {
  const early = [...new Map(log.early.map((event) => [event.number, event])).values()];
  early.sort((one, other) => one.number - other.number);
  if (!log.isLoaded) return { ...log, early: early.slice(-MAX_EVENTS) };
  const events = [...log.events];
  let last = lastNumber(log);
  for (const event of early) {
    if (event.number !== last + 1) continue;
    events.unshift(event);
    last = event.number;
  }
  return {
    events: events.slice(0, MAX_EVENTS),
    early: early.filter((event) => event.number > last).slice(-MAX_EVENTS),
    isLoaded: true,
  };
}

/** What happened, in plain words. */
export function eventWords(event: EventKind, now: number): string {
  switch (event.type) {
    case "went_live":
      return `Live${from(event.ipAddress)}`;
    case "signal_lost":
      return "Connection lost, waiting for the encoder to come back";
    case "moved":
      return `The stream moved to another edge (${shortId(event.edgeId)})`;
    case "resumed":
      return `Live again${from(event.ipAddress)}`;
    case "ended":
      return `Offline: ${endReason(event.reason).toLowerCase()}`;
    case "refused":
      return `Turned away: ${refusalTitle(event.reason).toLowerCase()}${from(event.ipAddress)}`;
    case "key_generated":
      return "Stream key made";
    case "key_reset":
      return `Stream key reset${resetWords(event, now)}`;
    case "key_revealed":
      return "Stream key shown";
    case "key_reported":
      return "Stream key reported as leaked, and retired";
    case "held":
      return localTimes(`On hold until ${event.until}`, now);
    case "hold_lifted":
      return "Hold lifted";
    case "settings_changed":
      return `Settings changed: ${event.settings.map(setting).join(", ")}`;
    default:
      return (event satisfies never as { type: string }).type.replaceAll("_", " ");
  }
}

function from(ipAddress: string | null): string {
  return ipAddress === null ? "" : ` from ${ipAddress}`;
}

function resetWords(reset: Extract<EventKind, { type: "key_reset" }>, now: number): string {
  const overlap =
    reset.overlapUntil === null
      ? ""
      : `, the old one lasts until ${moment(Date.parse(reset.overlapUntil), now)}`;
  return overlap + (reset.disconnectLive ? ", running stream disconnected" : "");
}

const SETTINGS: Record<string, string> = {
  name: "name",
  graceSeconds: "grace",
};

function setting(name: string): string {
  return SETTINGS[name] ?? name;
}
