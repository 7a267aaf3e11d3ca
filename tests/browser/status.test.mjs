import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Encoder, FRAME_RATE, HEIGHT, KEYFRAME_SECONDS, WIDTH } from "./encoder.mjs";
import { Dashboard, HANG_MS, openBrowser } from "./page.mjs";
import { Relay } from "./relay.mjs";
import { endpoints, Owner } from "./stack.mjs";

/** Start Streaming to LIVE on the page, as promised; asserted only against a hang, three times it. */
const LIVE_WITHIN_MS = 2_000;
/** Longer than a restart of ffmpeg takes on a busy machine. */
const LONG_GRACE_SECONDS = 10;

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

test("a real publish is LIVE on the page, with its figures", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.watchStatus();

  const encoder = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE", 3 * LIVE_WITHIN_MS);
  const said = await dashboard.statuses();
  assert.deepEqual(
    said.map(({ word }) => word),
    ["OFFLINE", "LIVE"],
  );
  t.diagnostic(`ffmpeg's start to LIVE on the page: ${said[1].at - encoder.startedAt} ms`);

  await dashboard.waitForText("resolution", new RegExp(`^${WIDTH}×${HEIGHT}$`));
  await dashboard.waitForText("bitrate", /^[1-9]/);
  await dashboard.waitForText("codecs", /^H\.264 \+ AAC$/);
  await dashboard.waitForText("keyframe-interval", new RegExp(`^${KEYFRAME_SECONDS}\\.0$`));
  // Of a second of a busy machine a frame may be missing.
  const rates = [FRAME_RATE - 1, FRAME_RATE, FRAME_RATE + 1].join("|");
  await dashboard.waitForText("fps", new RegExp(`^(${rates})(\\.\\d+)?$`));
  await dashboard.waitForText("announcement", /is live/);
  assert.match(await dashboard.page.title(), /^LIVE/);

  await encoder.stop();
  await dashboard.waitForStatus("OFFLINE");
  assert.deepEqual(await dashboard.words(), ["OFFLINE", "LIVE", "OFFLINE"]);
  await dashboard.waitForText("announcement", /is offline/);
  await dashboard.waitForText("session", /Stopped in the encoder/);
  await dashboard.close();
});

test("a lost encoder that comes back within the grace is never shown as OFFLINE", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel({ graceSeconds: LONG_GRACE_SECONDS });
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForStatus("OFFLINE");
  const first = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");
  await dashboard.watchStatus();

  await first.kill();
  await dashboard.waitForStatus("RECONNECTING");
  const left = Number(await dashboard.part("grace-seconds").textContent());
  assert.ok(left > 0 && left <= LONG_GRACE_SECONDS, `${left} s left`);
  await dashboard.page.waitForFunction(
    (before) =>
      Number(document.querySelector('[data-testid="grace-seconds"]')?.textContent) < before,
    left,
  );

  const second = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");
  await dashboard.part("grace-seconds").waitFor({ state: "detached" });
  assert.deepEqual(await dashboard.words(), ["LIVE", "RECONNECTING", "LIVE"]);
  await second.stop();
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.close();
});

test("a lost encoder that stays away is OFFLINE after the grace", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForStatus("OFFLINE");
  const encoder = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");
  await dashboard.watchStatus();
  await encoder.kill();
  await dashboard.waitForStatus("OFFLINE");
  assert.deepEqual(await dashboard.words(), ["LIVE", "RECONNECTING", "OFFLINE"]);
  await dashboard.waitForText("session", /Connection lost/);
  await dashboard.close();
});

test("a cut connection is admitted, mended by itself, and what was missed is caught up", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const relay = await Relay.start(t);
  const expected = [/WebSocket|Failed to load resource/];
  const relayed = await openBrowser(relay);
  t.after(() => relayed.close());
  const base = endpoints.http.replace("127.0.0.1", "localhost");
  const dashboard = await Dashboard.open(t, relayed, owner, { base, expected });
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.waitForText("link", /^Connected$/);
  await dashboard.watchStatus();

  relay.cut();
  await dashboard.waitForText("link", /^No connection/);
  const encoder = new Encoder(t, streamKey);
  await waitUntilLive(owner);
  await dashboard.waitForStatus("SIGNAL UNKNOWN");

  relay.mend();
  await dashboard.waitForText("link", /^Connected$/);
  await dashboard.waitForStatus("LIVE");
  assert.deepEqual(await dashboard.words(), ["OFFLINE", "SIGNAL UNKNOWN", "LIVE"]);
  await dashboard.waitForText("bitrate", /^[1-9]/);
  await encoder.stop();
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.close();
});

async function waitUntilLive(owner) {
  const deadline = Date.now() + HANG_MS;
  for (;;) {
    const { items } = await owner.call("GET", "/v1/channels");
    if (items.some(({ isLive }) => isLive)) return;
    assert.ok(Date.now() < deadline, "the API never said that the channel is live");
    await new Promise((done) => setTimeout(done, 50));
  }
}
