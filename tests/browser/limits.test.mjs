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

test("limits are shown, refused beside their field, saved, and held against who is live", async (t) => {
  const owner = new Owner();
  const { channelId, streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner, { expected: [/400|422/] });
  await dashboard.waitForText("limits", /^From anywhere\. Any bitrate\. Any resolution\. 2 s /);
  const encoder = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");

  // By keyboard alone, on a phone.
  await dashboard.page.setViewportSize({ width: 360, height: 740 });
  await dashboard.part("change-limits").focus();
  await dashboard.page.keyboard.press("Enter");
  await dashboard.waitForText("limits-consequence", /running stream is judged/);
  const box = await dashboard.part("limits-dialog").boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box));
  await dashboard.part("limits-bitrate").fill("many");
  await dashboard.page.keyboard.press("Enter");
  await dashboard.waitForText("limits-bitrate-problem", /between 100 and 200000/);
  const focused = await dashboard.page.evaluate(() => document.activeElement?.dataset.testid);
  assert.equal(focused, "limits-bitrate");

  await dashboard.part("limits-bitrate").fill("6000");
  await dashboard.part("limits-resolution").fill("1920 × 1080");
  await dashboard.part("limits-grace").fill("7");
  await dashboard.page.keyboard.press("Enter");
  await dashboard.part("limits-dialog").waitFor({ state: "detached" });
  await dashboard.waitForText("limits", /Up to 6000 kbit\/s\. Up to 1920×1080\. 7 s /);
  const saved = await owner.call("GET", `/v1/channels/${channelId}`);
  assert.equal(saved.graceSeconds, 7);
  assert.deepEqual(saved.limits, {
    allowedNetworks: [],
    maximumBitrateKbps: 6000,
    maximumResolution: "1920x1080",
  });
  assert.ok(encoder.isRunning);

  await dashboard.part("change-limits").click();
  await dashboard.part("limits-networks").fill("192.0.2.0/24");
  await dashboard.part("save-limits").click();
  await dashboard.waitForText("limits", /^From 192\.0\.2\.0\/24 only/);
  await dashboard.waitForStatus("OFFLINE");
  await encoder.ended();
  await dashboard.waitForText("refusal", /is in none of the networks/);
  await dashboard.close();
});
