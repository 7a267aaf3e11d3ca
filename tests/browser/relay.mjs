/** A relay between browser and stack, so that a test can cut their connections. */
import { connect, createServer } from "node:net";
import { endpoints } from "./stack.mjs";

export class Relay {
  #server;
  #sockets = new Set();
  #isCut = false;

  /** Relays until the test `t` is over. */
  static async start(t) {
    const relay = new Relay();
    t.after(() => relay.#stop());
    const { hostname, port } = new URL(endpoints.http);
    relay.#server = createServer((near) => relay.#join(near, connect(Number(port), hostname)));
    await new Promise((done) => relay.#server.listen(0, "127.0.0.1", done));
    return relay;
  }

  get port() {
    return this.#server.address().port;
  }

  /** Breaks every connection and refuses new ones, until `mend`. */
  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend() {
    this.#isCut = false;
  }

  async #stop() {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }

  #join(near, far) {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(socket);
      // The other end goes the same way; there is nobody to tell of the error.
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
    if (this.#isCut) near.resetAndDestroy();
  }
}
