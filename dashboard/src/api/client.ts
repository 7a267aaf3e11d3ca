/**
 * The HTTP API, one method a call. Holds the bearer token in memory; where the token is kept
 * between page loads is the caller's business. Never stores a stream key.
 */
import { Failure } from "./failure";
import type {
  Channel,
  ChannelEvent,
  Config,
  Hold,
  IngestEndpoint,
  MaskedStreamCredential,
  Page,
  ResetStreamKey,
  Session,
  StreamCredential,
  UpdateChannel,
  WebsocketTicket,
} from "./shapes";

/** Longest wait for an answer, in milliseconds: above the API's own bound of a few seconds. */
export const ANSWER_WITHIN_MS = 10_000;
/** Events asked for at a time. */
export const EVENTS_PER_PAGE = 50;
/** Sessions asked for at a time: what fits on a screen. */
export const SESSIONS_PER_PAGE = 10;

export class Api {
  readonly #base: string;
  readonly #token: string;
  readonly #onUnauthenticated: () => void;

  /** `onUnauthenticated` is told when any call finds that the token is no longer good. */
  constructor(base: string, token: string, onUnauthenticated: () => void) {
    this.#base = base.replace(/\/$/, "");
    this.#token = token;
    this.#onUnauthenticated = onUnauthenticated;
  }

  async channels(): Promise<Channel[]> {
    const page = await this.#call<Page<Channel>>("GET", "/v1/channels");
    return page.items;
  }

  createChannel(name: string): Promise<Channel> {
    return this.#call("POST", "/v1/channels", { name });
  }

  updateChannel(channelId: string, update: UpdateChannel): Promise<Channel> {
    return this.#call("PATCH", channelPath(channelId), update);
  }

  maskedKey(channelId: string): Promise<MaskedStreamCredential> {
    return this.#call("GET", `${channelPath(channelId)}/stream-key`);
  }

  generateKey(channelId: string): Promise<StreamCredential> {
    return this.#call("POST", `${channelPath(channelId)}/stream-key`);
  }

  resetKey(channelId: string, reset: ResetStreamKey): Promise<StreamCredential> {
    return this.#call("POST", `${channelPath(channelId)}/stream-key/reset`, reset);
  }

  revealKey(channelId: string): Promise<StreamCredential> {
    return this.#call("POST", `${channelPath(channelId)}/stream-key/reveal`);
  }

  disconnect(channelId: string, holdSeconds: number): Promise<Hold> {
    return this.#call("POST", `${channelPath(channelId)}/disconnect`, { holdSeconds });
  }

  liftHold(channelId: string): Promise<null> {
    return this.#call("DELETE", `${channelPath(channelId)}/hold`);
  }

  async ingestEndpoints(): Promise<IngestEndpoint[]> {
    const answer = await this.#call<Page<IngestEndpoint> | IngestEndpoint[]>(
      "GET",
      "/v1/ingest-endpoints",
    );
    return Array.isArray(answer) ? answer : answer.items;
  }

  sessions(channelId: string, cursor?: string): Promise<Page<Session>> {
    const query = new URLSearchParams({ limit: String(SESSIONS_PER_PAGE) });
    if (cursor !== undefined) query.set("cursor", cursor);
    return this.#call("GET", `${channelPath(channelId)}/sessions?${query}`);
  }

  /** The newest events, newest first. */
  async newestEvents(channelId: string): Promise<ChannelEvent[]> {
    const query = `limit=${EVENTS_PER_PAGE}`;
    const page = await this.#call<Page<ChannelEvent>>("GET", `${eventsPath(channelId)}?${query}`);
    return page.items;
  }

  /** What comes after an event, oldest first; empty where nothing does. */
  async eventsAfter(channelId: string, number: number): Promise<ChannelEvent[]> {
    const query = `limit=${EVENTS_PER_PAGE}&after=${number}`;
    const page = await this.#call<Page<ChannelEvent>>("GET", `${eventsPath(channelId)}?${query}`);
    return page.items;
  }

  async websocketTicket(): Promise<string> {
    const answer = await this.#call<WebsocketTicket>("POST", "/v1/websocket-tickets");
    return answer.ticket;
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    try {
      return await call(method, this.#base + path, { body, token: this.#token });
    } catch (error) {
      if (error instanceof Failure && error.isUnauthenticated) this.#onUnauthenticated();
      throw error;
    }
  }
}

/** Reads what the page has to know before it can ask anything. */
export function loadConfig(): Promise<Config> {
  return call("GET", "/config.json", {});
}

/** Asks the local stack for a token. Only the local stack has this call. */
export async function developmentToken(apiBase: string, userId: string): Promise<string> {
  const url = new URL("/dev/token", new URL(apiBase, location.href)).href;
  const { token } = await call<{ token: string }>("POST", url, { body: { userId } });
  return token;
}

interface Request {
  body?: unknown;
  token?: string;
}

async function call<T>(method: string, url: string, { body, token }: Request): Promise<T> {
  const headers = new Headers({ accept: "application/json" });
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  if (body !== undefined) headers.set("content-type", "application/json");
  const answer = await fetch(url, {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch(() => {
    throw Failure.unreachable();
  });
  const content: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw Failure.fromAnswer(answer.status, content);
  return content as T;
}

function eventsPath(channelId: string): string {
  return `${channelPath(channelId)}/events`;
}

function channelPath(channelId: string): string {
  return `/v1/channels/${encodeURIComponent(channelId)}`;
}
