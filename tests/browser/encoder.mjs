/** A real ffmpeg that publishes a moving test picture and a tone. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { endpoints } from "./stack.mjs";

export const WIDTH = 640;
export const HEIGHT = 360;
export const FRAME_RATE = 30;
export const KEYFRAME_SECONDS = 2;

const PICTURE = `testsrc2=size=${WIDTH}x${HEIGHT}:rate=${FRAME_RATE}`;
const argumentsOf = (keyframeSeconds) =>
  [
    ["-hide_banner", "-nostats", "-loglevel", "warning"],
    ["-re", "-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", "sine=frequency=440"],
    ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"],
    ["-b:v", "800k", "-g", String(FRAME_RATE * keyframeSeconds), "-c:a", "aac", "-b:a", "64k"],
    ["-f", "flv"],
  ].flat();

export class Encoder {
  /** When the process was started, by the clock that the page uses, too. */
  startedAt = Date.now();
  #process;
  #ended;
  #words = "";

  /** Publishes until it is ended, at the latest when the test `t` is over. */
  constructor(t, streamKey, { keyframeSeconds = KEYFRAME_SECONDS } = {}) {
    const url = `${endpoints.edges[0].rtmp}/${streamKey}`;
    this.#process = spawn("ffmpeg", [...argumentsOf(keyframeSeconds), url], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    this.#process.stderr.setEncoding("utf8").on("data", (text) => (this.#words += text));
    this.#ended = once(this.#process, "exit");
    t.after(() => this.kill());
  }

  get isRunning() {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What ffmpeg wrote. It may hold the address with the key: not to be printed. */
  get words() {
    return this.#words;
  }

  /** Ends the stream as Stop Streaming does. */
  async stop() {
    if (this.isRunning) this.#process.stdin.write("q");
    await this.#ended;
  }

  /** Ends it without a word, as a lost connection does. */
  async kill() {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  async ended() {
    await this.#ended;
  }
}
