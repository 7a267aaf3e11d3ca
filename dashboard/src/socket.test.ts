import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Failure } from "./api/failure";
import type { ServerMessage } from "./api/shapes";
import {
  FIRST_WAIT_MS,
  LONGEST_WAIT_MS,
  OPEN_WITHIN_MS,
  type Phase,
  PING_EVERY_MS,
  PONG_WITHIN_MS,
  RENEW_AFTER_MS,
  RENEW_JITTER_MS,
  Socket,
  type Wire,
} from "./socket";

/** The far end of one connection. */
class FakeWire {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly sent: string[] = [];
  isClosed = false;

  constructor(readonly url: string) {}

  send(text: string) {
    this.sent.push((JSON.parse(text) as { action: string }).action);
  }

  close() {
    this.isClosed = true;
  }

  receive(message: unknown) {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
}

const SNAPSHOT = { type: "snapshot", channels: [], at: "2030-01-01T00:00:00Z" };
let wires: FakeWire[];
let phases: Phase[];
let messages: ServerMessage[];
let tickets: number;
let ticket: () => Promise<string>;
let random: number;
let socket: Socket;

beforeEach(() => {
  vi.useFakeTimers();
  wires = [];
  phases = [];
  messages = [];
  tickets = 0;
  random = 1;
  ticket = () => Promise.resolve(`ticket-${++tickets}`);
  socket = new Socket({
    url: "ws://127.0.0.1:8080/ws?stage=live",
    ticket: () => ticket(),
    open: (url) => {
      const wire = new FakeWire(url);
      wires.push(wire);
      return wire as unknown as Wire;
    },
    random: () => random,
    onMessage: (message) => messages.push(message),
    onPhase: (phase) => phases.push(phase),
  });
});

afterEach(() => {
  socket.stop();
  expect(vi.getTimerCount(), "a stopped socket leaves no timer").toBe(0);
  vi.useRealTimers();
});

const wire = () => wires.at(-1) as FakeWire;
const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);

async function connect() {
  socket.start();
  await pass(0);
  wire().onopen?.();
}

describe("connecting", () => {
  test("each connection takes a new ticket and begins with hello", async () => {
    await connect();
    expect(wire().url).toBe("ws://127.0.0.1:8080/ws?stage=live&ticket=ticket-1");
    expect(wire().sent).toEqual(["hello"]);
    wire().onclose?.();
    await pass(FIRST_WAIT_MS);
    wire().onopen?.();
    expect(wire().url).toContain("ticket=ticket-2");
    expect(wire().sent).toEqual(["hello"]);
    expect(phases).toEqual(["connecting", "open", "waiting", "connecting", "open"]);
  });

  test("a connection that does not come about is given up", async () => {
    socket.start();
    await pass(OPEN_WITHIN_MS);
    expect(wires[0]?.isClosed).toBe(true);
    expect(phases.at(-1)).toBe("waiting");
  });

  test("a token that is no longer good ends all tries", async () => {
    ticket = () => Promise.reject(Failure.fromAnswer(401, null));
    socket.start();
    await pass(LONGEST_WAIT_MS * 10);
    expect(wires).toHaveLength(0);
    expect(phases).toEqual(["connecting", "stopped"]);
  });

  test("a ticket that comes after the socket was stopped opens nothing", async () => {
    socket.start();
    socket.stop();
    await pass(0);
    expect(wires).toHaveLength(0);
  });
});

describe("keeping alive", () => {
  test("a ping goes out every 25 s, and its pong keeps the connection", async () => {
    await connect();
    for (let turn = 0; turn < 3; turn += 1) {
      await pass(PING_EVERY_MS);
      wire().receive({ type: "pong" });
    }
    await pass(PONG_WITHIN_MS);
    expect(wire().sent).toEqual(["hello", "ping", "ping", "ping"]);
    expect(wires).toHaveLength(1);
  });

  test("without a pong within 5 s it reconnects", async () => {
    await connect();
    await pass(PING_EVERY_MS + PONG_WITHIN_MS - 1);
    expect(wires).toHaveLength(1);
    await pass(1 + FIRST_WAIT_MS);
    expect(wires).toHaveLength(2);
    expect(wires[0]?.isClosed).toBe(true);
  });

  test("other messages do not stand for a pong", async () => {
    await connect();
    await pass(PING_EVERY_MS);
    wire().receive(SNAPSHOT);
    await pass(PONG_WITHIN_MS);
    expect(phases.at(-1)).toBe("waiting");
  });

  test("a woken device finds a dead connection within 5 s", async () => {
    await connect();
    socket.wake();
    await pass(PONG_WITHIN_MS);
    expect(phases.at(-1)).toBe("waiting");
  });

  test("a woken device does not wait for the next try", async () => {
    await connect();
    wire().onclose?.();
    socket.wake();
    await pass(0);
    expect(wires).toHaveLength(2);
  });
});

describe("waiting", () => {
  /** How long it waits before each of the next tries, when none of them opens. */
  async function waits(tries: number): Promise<number[]> {
    const seen: number[] = [];
    for (let turn = 0; turn < tries; turn += 1) {
      wire().onclose?.();
      const before = Date.now();
      const count = wires.length;
      while (wires.length === count) await vi.advanceTimersToNextTimerAsync();
      seen.push(Date.now() - before);
    }
    return seen;
  }

  test("the wait doubles with each failure up to its bound", async () => {
    await connect();
    expect(await waits(7)).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  });

  test("jitter takes up to half of each wait away", async () => {
    await connect();
    random = 0;
    expect(await waits(3)).toEqual([250, 500, 1000]);
  });

  test("a snapshot ends the series of failures, an open connection alone does not", async () => {
    await connect();
    await waits(4);
    wire().onopen?.();
    expect(await waits(1)).toEqual([8000]);
    wire().onopen?.();
    wire().receive(SNAPSHOT);
    expect(await waits(1)).toEqual([500]);
  });

  test("error and close of one connection count as one failure", async () => {
    await connect();
    const first = wire();
    first.onerror?.();
    first.onclose?.();
    await pass(FIRST_WAIT_MS);
    expect(wires).toHaveLength(2);
    expect(phases.filter((phase) => phase === "waiting")).toHaveLength(1);
  });
});

describe("renewing", () => {
  test("a healthy connection is renewed before the gateway would end it", async () => {
    const answering = setInterval(() => wires.at(-1)?.receive({ type: "pong" }), 1_000);
    random = 0.5;
    await connect();
    await pass(RENEW_AFTER_MS - RENEW_JITTER_MS / 2 - 1);
    expect(wires).toHaveLength(1);
    await pass(1);
    expect(wires).toHaveLength(2);
    expect(wires[0]?.isClosed).toBe(true);
    expect(phases).toEqual(["connecting", "open", "connecting"]);
    clearInterval(answering);
  });
});

describe("messages", () => {
  test("what is not one of the server's messages is ignored", async () => {
    await connect();
    for (const text of ["", "not JSON", "null", "[]", '"pong"', "{}"]) wire().receive(text);
    wire().receive(SNAPSHOT);
    expect(messages).toEqual([SNAPSHOT]);
  });

  test("nothing of an earlier connection is heard any more", async () => {
    await connect();
    const first = wire();
    const late = first.onmessage;
    first.onclose?.();
    expect(first.onmessage).toBeNull();
    expect(late).not.toBeNull();
    await pass(FIRST_WAIT_MS);
    first.receive(SNAPSHOT);
    expect(messages).toEqual([]);
  });

  test("hello can be asked for again while the connection is open, and only then", async () => {
    socket.hello();
    await connect();
    socket.hello();
    expect(wire().sent).toEqual(["hello", "hello"]);
  });
});
