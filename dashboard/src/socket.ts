/**
 * Keeps one WebSocket to the server, through every kind of trouble, until it is stopped.
 *
 * Each connection takes a new single-use ticket and begins with `hello`. A connection that does not
 * open, or does not answer a ping, is given up; the next try waits longer and longer, with jitter,
 * so that a server that comes back is not met by everybody at once. Shortly before the gateway
 * would end the connection (two hours) it is renewed at a moment of our choosing.
 *
 * Absent on purpose: what the messages mean. There is at most one socket and at most one pending
 * timer of each kind.
 */
import { Failure } from "./api/failure";
import type { ServerMessage } from "./api/shapes";

/** Time between pings: the gateway ends a connection that is idle for ten minutes. */
export const PING_EVERY_MS = 25_000;
/** Longest wait for the answer to a ping. */
export const PONG_WITHIN_MS = 5_000;
/** Longest wait for ticket and connection to come about. */
export const OPEN_WITHIN_MS = 10_000;
/** The first wait after a failure; it doubles with each further one. */
export const FIRST_WAIT_MS = 500;
/** The longest wait: an owner should not look at a stale page for longer. */
export const LONGEST_WAIT_MS = 15_000;
/** When a healthy connection is renewed; the gateway ends it at 120 minutes. */
export const RENEW_AFTER_MS = 110 * 60_000;
/** Up to this much earlier, so that pages that were opened together do not return together. */
export const RENEW_JITTER_MS = 5 * 60_000;

export type Phase = "connecting" | "open" | "waiting" | "stopped";

/** The part of the browser's WebSocket that is used. */
export type Wire = Pick<
  WebSocket,
  "onopen" | "onmessage" | "onclose" | "onerror" | "send" | "close"
>;

export interface Surroundings {
  url: string;
  /** Fetches a single-use ticket. */
  ticket: () => Promise<string>;
  open: (url: string) => Wire;
  /** Uniform in [0, 1). */
  random: () => number;
  onMessage: (message: ServerMessage) => void;
  onPhase: (phase: Phase) => void;
}

type Timer = ReturnType<typeof setTimeout>;

export class Socket {
  readonly #around: Surroundings;
  #phase: Phase = "stopped";
  #wire: Wire | null = null;
  /** Counts tries: what belongs to an earlier one is ignored. */
  #attempt = 0;
  #failures = 0;
  #timers = new Map<"open" | "ping" | "pong" | "renew" | "wait", Timer>();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  start(): void {
    if (this.#phase === "stopped") this.#connect();
  }

  stop(): void {
    this.#drop();
    this.#enter("stopped");
  }

  /** Asks for a new snapshot. */
  hello(): void {
    if (this.#phase === "open") this.#send("hello");
  }

  /** The device woke up or is online again: find out now instead of at the next timer. */
  wake(): void {
    if (this.#phase === "waiting") this.#connect();
    if (this.#phase === "open") this.#ping();
  }

  #connect(): void {
    this.#drop();
    this.#enter("connecting");
    const attempt = this.#attempt;
    this.#after("open", OPEN_WITHIN_MS, () => this.#fail());
    this.#around.ticket().then(
      (ticket) => {
        if (attempt === this.#attempt) this.#openWire(ticket);
      },
      (error: unknown) => {
        if (attempt === this.#attempt) this.#refused(error);
      },
    );
  }

  #openWire(ticket: string): void {
    const url = new URL(this.#around.url);
    url.searchParams.set("ticket", ticket);
    const wire = this.#around.open(url.href);
    this.#wire = wire;
    wire.onopen = () => this.#opened();
    wire.onmessage = ({ data }) => this.#received(data);
    wire.onclose = () => this.#fail();
    wire.onerror = () => this.#fail();
  }

  #opened(): void {
    this.#stopTimer("open");
    this.#enter("open");
    this.#send("hello");
    this.#after("ping", PING_EVERY_MS, () => this.#ping());
    const early = this.#around.random() * RENEW_JITTER_MS;
    this.#after("renew", RENEW_AFTER_MS - early, () => this.#connect());
  }

  #ping(): void {
    this.#send("ping");
    this.#after("ping", PING_EVERY_MS, () => this.#ping());
    if (!this.#timers.has("pong")) this.#after("pong", PONG_WITHIN_MS, () => this.#fail());
  }

  #received(text: unknown): void {
    const message = parse(text);
    if (message === null) return;
    if (message.type === "pong") this.#stopTimer("pong");
    // Only a snapshot shows that the whole way works, so only then are failures forgotten.
    if (message.type === "snapshot") this.#failures = 0;
    this.#around.onMessage(message);
  }

  #refused(error: unknown): void {
    if (error instanceof Failure && error.isUnauthenticated) {
      // No later try can do better with this token; whoever holds it signs in again.
      this.stop();
    } else {
      this.#fail();
    }
  }

  #fail(): void {
    this.#drop();
    this.#enter("waiting");
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    const wait = longest * (0.5 + this.#around.random() / 2);
    this.#after("wait", wait, () => this.#connect());
  }

  #drop(): void {
    this.#attempt += 1;
    for (const name of [...this.#timers.keys()]) this.#stopTimer(name);
    const wire = this.#wire;
    this.#wire = null;
    if (wire === null) return;
    wire.onopen = wire.onmessage = wire.onclose = wire.onerror = null;
    wire.close();
  }

  #send(action: "hello" | "ping"): void {
    this.#wire?.send(JSON.stringify({ action }));
  }

  #enter(phase: Phase): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#around.onPhase(phase);
  }

  #after(name: "open" | "ping" | "pong" | "renew" | "wait", millis: number, what: () => void) {
    this.#stopTimer(name);
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      what();
    }, millis);
    this.#timers.set(name, timer);
  }

  #stopTimer(name: "open" | "ping" | "pong" | "renew" | "wait"): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/** Null for what is not one of the server's messages. */
function parse(text: unknown): ServerMessage | null {
  if (typeof text !== "string") return null;
  try {
    const message: unknown = JSON.parse(text);
    const isMessage = typeof message === "object" && message !== null && "type" in message;
    return isMessage ? (message as ServerMessage) : null;
  } catch {
    return null;
  }
}
