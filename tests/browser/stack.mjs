/** The running stack, as a script of its owner sees it: endpoints and the HTTP API. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const file = process.env.STREAM_SYNC_ENDPOINTS;
if (file === undefined) throw new Error("STREAM_SYNC_ENDPOINTS is not set: use run.mjs");

export const endpoints = JSON.parse(readFileSync(file, "utf8"));

/** Short enough for a test to sit through, long enough to come back in. */
export const GRACE_SECONDS = 2;

/** A user of its own for each test, so that none sees another's channels. */
export class Owner {
  userId = `tester-${randomUUID()}`;
  #token = null;

  async call(method, path, body) {
    this.#token ??= await this.#signIn();
    return ask(method, path, body, { authorization: `Bearer ${this.#token}` });
  }

  async #signIn() {
    const { token } = await ask("POST", "/dev/token", { userId: this.userId });
    return token;
  }

  /** A channel with a stream key: `{ channelId, streamKey }`. */
  async channel({ graceSeconds = GRACE_SECONDS, name = "Test channel" } = {}) {
    const { id } = await this.call("POST", "/v1/channels", { name, graceSeconds });
    const { streamKey } = await this.call("POST", `/v1/channels/${id}/stream-key`);
    return { channelId: id, streamKey };
  }

  async revealedKey(channelId) {
    const { streamKey } = await this.call("POST", `/v1/channels/${channelId}/stream-key/reveal`);
    return streamKey;
  }
}

async function ask(method, path, body, headers = {}) {
  const answer = await fetch(endpoints.http.replace(/\/$/, "") + path, {
    method,
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const content = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${content}`);
  return content === "" ? null : JSON.parse(content);
}
