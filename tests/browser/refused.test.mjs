import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Encoder } from "./encoder.mjs";
import { Dashboard, openBrowser } from "./page.mjs";
import { Owner } from "./stack.mjs";

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

test("a second publisher's refusal appears with its reason, and the first stays live", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.part("refused-empty").waitFor();
  const first = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");
  await dashboard.watchStatus();

  const second = new Encoder(t, streamKey);
  const row = dashboard.part("refused").getByTestId("refusal");
  await row.waitFor();
  assert.equal(await row.getAttribute("data-reason"), "already_live");
  assert.match(await row.textContent(), /Already live.*Somebody is already live on this channel/);
  await second.ended();
  assert.ok(first.isRunning);
  assert.deepEqual(await dashboard.words(), ["LIVE"]);
  assert.ok(!(await dashboard.everything()).includes(streamKey));
  await first.stop();
  const events = dashboard.part("events").locator("li");
  await dashboard.part("events").locator('[data-type="ended"]').waitFor();
  const types = await events.evaluateAll((rows) => rows.map((row) => row.dataset.type));
  assert.deepEqual(types.slice(0, 3), ["ended", "refused", "went_live"]);
  await dashboard.close();
});
