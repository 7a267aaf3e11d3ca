/**
 * What the page knows of its channels, and how each message changes that. Pure: the moment of a
 * message is part of the event.
 *
 * Messages reach the page from several senders and may overtake each other. A status counts only
 * when its (gen, seq) is above the one shown, samples only when they belong to the status shown and
 * their n is above the last; what is found wrong likewise. A snapshot that opens a connection
 * replaces what earlier connections said (the server may have been set up anew), but never what this
 * connection has said already.
 */
import type {
  Channel,
  ChannelEvent,
  ChannelSnapshot,
  Metrics,
  Refused,
  ServerMessage,
  Status,
} from "../api/shapes";
import { type Diagnosis, withDiagnosis } from "./findings";
import { type EventLog, heard, loaded, NO_EVENTS } from "./events";
import { appendSamples, type Sample, toSample } from "./samples";
import { addRefusal, type Refusal } from "./refusals";
import { compareVersions, type Version } from "./ordering";

/** One channel as it is shown. */
export interface ChannelState {
  channel: Channel;
  /** Null until the first snapshot. */
  status: Status | null;
  /** The sender's clock when it sent the status, less ours when it came, in milliseconds. */
  clockOffset: number;
  /** When anything about this channel was last heard, by our clock; null: never. */
  heardAt: number | null;
  /** Whether the status was heard on the present connection. */
  isCurrent: boolean;
  /** The last sample's number within the status. */
  n: number;
  metrics: Metrics | null;
  /** What was last found wrong with the status shown; null: nothing was said of it. */
  diagnosis: Diagnosis | null;
  /** The last minutes, oldest first. */
  samples: readonly Sample[];
}

export interface State {
  /** In the order in which the API lists them. */
  channels: readonly ChannelState[];
  /** Newest first. */
  refusals: readonly Refusal[];
  /** By channel; none where nothing was heard or read. */
  logs: Readonly<Record<string, EventLog>>;
  /** Whether a list of channels has come at all. */
  isLoaded: boolean;
}

export type Event =
  | { type: "channels"; channels: readonly Channel[] }
  | { type: "connected" }
  | { type: "newestEvents"; channelId: string; events: readonly ChannelEvent[] }
  | { type: "missedEvents"; channelId: string; events: readonly ChannelEvent[] }
  | { type: "message"; message: ServerMessage; now: number };

export const EMPTY: State = { channels: [], refusals: [], logs: {}, isLoaded: false };

export function reduce(state: State, event: Event): State {
  switch (event.type) {
    case "channels":
      return { ...state, channels: withSettings(state.channels, event.channels), isLoaded: true };
    case "connected":
      return {
        ...state,
        channels: state.channels.map((known) => ({ ...known, isCurrent: false })),
      };
    case "newestEvents":
      return withEvents(state, event.channelId, (log) => loaded(log, event.events));
    case "missedEvents":
      return withEvents(state, event.channelId, (log) => heard(log, event.events));
    case "message":
      return receive(state, event.message, event.now);
  }
}

export function find(state: State, channelId: string): ChannelState | undefined {
  return state.channels.find((known) => known.channel.id === channelId);
}

/**
 * Whether a message tells of something that this page should have been told before: a channel that
 * was made elsewhere, or samples of a status whose message was lost. A snapshot puts that right.
 */
export function isBehind(state: State, message: ServerMessage): boolean {
  const { type } = message;
  if (type !== "status" && type !== "metrics" && type !== "diagnosis") return false;
  const known = find(state, message.channelId);
  if (known === undefined) return true;
  if (message.type === "status" || known.status === null) return false;
  return compareVersions(message, known.status) > 0;
}

function receive(state: State, message: ServerMessage, now: number): State {
  switch (message.type) {
    case "snapshot":
      return {
        ...state,
        channels: message.channels.map((each) =>
          replaced(find(state, each.channel.id), each, message.at, now),
        ),
        isLoaded: true,
      };
    case "status":
      return change(state, message.channelId, (known) =>
        withStatus(known, message, message.at, now),
      );
    case "metrics":
      return change(state, message.channelId, (known) => withMetrics(known, message, now));
    case "diagnosis":
      return change(state, message.channelId, (known) =>
        isOfItsStream(known, message)
          ? { ...known, diagnosis: withDiagnosis(known.diagnosis, message, now) }
          : known,
      );
    case "refused":
      return { ...state, refusals: addRefusal(state.refusals, message satisfies Refused, now) };
    case "event":
      return withEvents(state, message.channelId, (log) => heard(log, [message.event]));
    case "pong":
    case "error":
      return state;
  }
}

function withEvents(state: State, channelId: string, how: (log: EventLog) => EventLog): State {
  const log = how(state.logs[channelId] ?? NO_EVENTS);
  return { ...state, logs: { ...state.logs, [channelId]: log } };
}

function change(
  state: State,
  channelId: string,
  how: (known: ChannelState) => ChannelState,
): State {
  const channels = state.channels.map((known) =>
    known.channel.id === channelId ? how(known) : known,
  );
  return { ...state, channels };
}

function withSettings(
  known: readonly ChannelState[],
  channels: readonly Channel[],
): readonly ChannelState[] {
  return channels.map((channel) => {
    const before = known.find((each) => each.channel.id === channel.id);
    return before === undefined ? unheard(channel) : { ...before, channel };
  });
}

function unheard(channel: Channel): ChannelState {
  return {
    channel,
    status: null,
    clockOffset: 0,
    heardAt: null,
    isCurrent: false,
    n: 0,
    metrics: null,
    diagnosis: null,
    samples: [],
  };
}

function replaced(
  before: ChannelState | undefined,
  { channel, status }: ChannelSnapshot,
  at: string,
  now: number,
): ChannelState {
  // Snapshots leave the limits out, which may be long.
  const limits = channel.limits ?? before?.channel.limits ?? null;
  const known = { ...(before ?? unheard(channel)), channel: { ...channel, limits } };
  return known.isCurrent ? withStatus(known, status, at, now) : taken(known, status, at, now);
}

/** Takes a status unless it is older than the one shown. */
function withStatus(known: ChannelState, status: Status, at: string, now: number): ChannelState {
  const isOlder = known.status !== null && compareVersions(status, known.status) < 0;
  return isOlder ? known : taken(known, status, at, now);
}

function taken(known: ChannelState, status: Status, at: string, now: number): ChannelState {
  const isSameVersion = known.status !== null && compareVersions(status, known.status) === 0;
  const isLive = status.status === "LIVE";
  const sent = Date.parse(at);
  return {
    ...known,
    status: {
      channelId: status.channelId,
      status: status.status,
      gen: status.gen,
      seq: status.seq,
      since: status.since,
      sessionId: status.sessionId,
      edgeId: status.edgeId,
      graceUntil: status.graceUntil,
      metrics: status.metrics,
    },
    clockOffset: Number.isNaN(sent) ? 0 : sent - now,
    heardAt: now,
    isCurrent: true,
    n: isSameVersion ? known.n : 0,
    diagnosis: isSameVersion ? known.diagnosis : null,
    metrics: isLive ? (status.metrics ?? (isSameVersion ? known.metrics : null)) : null,
    samples:
      isLive && status.metrics !== null
        ? appendSamples(known.samples, [toSample(status.metrics)])
        : known.samples,
  };
}

/** Whether a message tells of the very stream that is shown as LIVE. */
function isOfItsStream({ status }: ChannelState, version: Version): boolean {
  return status?.status === "LIVE" && compareVersions(version, status) === 0;
}

type MetricsMessage = Extract<ServerMessage, { type: "metrics" }>;

function withMetrics(known: ChannelState, message: MetricsMessage, now: number): ChannelState {
  const last = message.samples.at(-1);
  if (last === undefined || !isOfItsStream(known, message) || message.n <= known.n) return known;
  return {
    ...known,
    heardAt: now,
    n: message.n,
    metrics: last,
    samples: appendSamples(known.samples, message.samples.map(toSample)),
  };
}
