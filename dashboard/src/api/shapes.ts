/**
 * What crosses the wire, field by field as the API and the WebSocket spell it.
 *
 * Times are RFC 3339 in UTC. A status is ordered by (gen, seq), samples by (gen, seq, n).
 */

export interface Channel {
  id: string;
  userId: string;
  name: string;
  graceSeconds: number;
  /** Null where it is left out: snapshots do. */
  limits: Limits | null;
  region: string;
  createdAt: string;
  isLive: boolean;
  lastLiveAt: string | null;
  ingestServerId: string | null;
  hasStreamKey: boolean;
  holdUntil: string | null;
}

/** What is null or, of networks, empty does not limit. */
export interface Limits {
  allowedNetworks: string[];
  maximumBitrateKbps: number | null;
  maximumResolution: string | null;
}

/** A change of a channel's settings: what is absent stays. */
export interface UpdateChannel {
  name?: string;
  graceSeconds?: number;
  limits?: Partial<Limits>;
}

export interface Page<T> {
  items: T[];
  cursor?: string;
}

/** The masked view holds no part of the key. */
export interface MaskedStreamCredential {
  userId: string;
  channelId: string;
  maskedKey: string;
  ingestUrl: string;
  createdAt: string;
  /** When it was reported as leaked: it starts no stream any more. */
  retiredAt: string | null;
}

export interface Hold {
  channelId: string;
  holdUntil: string;
}

export interface StreamCredential {
  userId: string;
  channelId: string;
  streamKey: string;
  ingestUrl: string;
  createdAt: string;
}

export interface ResetStreamKey {
  overlapSeconds: number;
  disconnectLive: boolean;
}

export interface IngestEndpoint {
  name: string;
  region: string;
  rtmpUrl: string;
  rtmpsUrl: string | null;
  /** Publishers by capacity, 0 to 1. */
  load: number;
}

export type StatusWord = "OFFLINE" | "LIVE" | "GRACE";

export interface Metrics {
  bitrateKbps: number;
  width: number | null;
  height: number | null;
  fps: number | null;
  keyframeIntervalMs: number | null;
  videoCodec: string | null;
  audioCodec: string | null;
  at: string;
}

export interface Status {
  channelId: string;
  status: StatusWord;
  gen: number;
  seq: number;
  since: string | null;
  sessionId: string | null;
  edgeId: string | null;
  graceUntil: string | null;
  metrics: Metrics | null;
}

export interface Session {
  id: string;
  channelId: string;
  ipAddress: string;
  encoder: string | null;
  startedAt: string;
  endedAt: string | null;
  /** Mean over the whole session. */
  bitrateKbps: number;
  resolution: string | null;
  fps: number | null;
  edgeIds: string[];
  reason: string | null;
}

export interface WebsocketTicket {
  ticket: string;
  expiresAt: string;
}

export interface Refused {
  /** Names the attempt; repeated attempts of one kind from one address share it for a minute. */
  id: string;
  channelId: string;
  reason: string;
  detail: string;
  ipAddress: string;
  encoder: string | null;
  /** Seconds after `at` until the encoder tries again by itself; null: it does not, or nobody knows. */
  retryAfterSeconds: number | null;
  at: string;
}

/** What happened to a channel. Its numbers begin at 1 and have no gap; an id is told once. */
export type ChannelEvent = {
  number: number;
  id: string;
  channelId: string;
  at: string;
} & EventKind;

export type EventKind =
  | {
      type: "went_live" | "resumed";
      sessionId: string;
      edgeId: string | null;
      ipAddress: string | null;
    }
  | { type: "signal_lost"; sessionId: string; edgeId: string | null; graceUntil: string | null }
  | { type: "moved"; sessionId: string; edgeId: string; fromEdgeId: string }
  | { type: "ended"; sessionId: string; reason: string | null }
  | {
      type: "refused";
      reason: string;
      detail: string;
      ipAddress: string;
      encoder: string | null;
    }
  | { type: "key_reset"; overlapUntil: string | null; disconnectLive: boolean }
  | { type: "held"; until: string }
  | { type: "settings_changed"; settings: string[] }
  | { type: "key_generated" | "key_revealed" | "key_reported" | "hold_lifted" };

export interface ChannelSnapshot {
  channel: Channel;
  status: Status;
}

/** One thing that is wrong with a live stream. */
export interface Finding {
  code: string;
  /** In plain words, with what to do. */
  detail: string;
  since: string;
}

/** Everything that is wrong with a live stream. Ordered by (gen, seq, n). */
export interface DiagnosisMessage {
  type: "diagnosis";
  channelId: string;
  gen: number;
  seq: number;
  n: number;
  findings: Finding[];
  at: string;
}

export type ServerMessage =
  | { type: "snapshot"; channels: ChannelSnapshot[]; at: string }
  | ({ type: "status"; at: string } & Status)
  | {
      type: "metrics";
      channelId: string;
      gen: number;
      seq: number;
      /** The number of the last sample within (gen, seq), from 1. */
      n: number;
      samples: Metrics[];
      at: string;
    }
  | ({ type: "refused" } & Refused)
  | DiagnosisMessage
  | { type: "event"; channelId: string; event: ChannelEvent; at: string }
  | { type: "pong" }
  | { type: "error"; code: string; detail: string };

/** RFC 9457, with a stable `code`. */
export interface Problem {
  title: string;
  status: number;
  detail: string;
  code: string;
  field?: string;
}

/** `/config.json`, read once at the start. */
export interface Config {
  apiBase: string;
  websocketUrl: string;
  login: "dev" | "oidc";
  issuer: string | null;
  clientId: string | null;
}
