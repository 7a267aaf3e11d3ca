import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Encoder } from "./encoder.mjs";
import { Dashboard, openBrowser } from "./page.mjs";
import { endpoints, Owner } from "./stack.mjs";

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

test("a disconnect ends the stream and keeps encoders out until the hold is lifted", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForStatus("OFFLINE");
  const encoder = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");

  await dashboard.part("disconnect").click();
  await dashboard.part("hold-seconds").selectOption("600");
  await dashboard.part("hold-confirm").click();
  await dashboard.waitForStatus("OFFLINE");
  await encoder.ended();
  await dashboard.waitForText("hold", /^On hold until .*no encoder gets in/);

  const refused = new Encoder(t, streamKey);
  await refused.ended();
  await dashboard.waitForText("refusal", /on hold until/);

  await dashboard.part("lift-hold").click();
  await dashboard.waitForText("hold", /keep encoders out/);
  const back = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");
  await back.stop();
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.close();
});

test("a hold that nobody confirms is none", async (t) => {
  const owner = new Owner();
  await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.part("disconnect").click();
  await dashboard.part("hold-dialog").waitFor();
  await dashboard.page.keyboard.press("Escape");
  await dashboard.part("hold-dialog").waitFor({ state: "detached" });
  await dashboard.waitForText("hold", /keep encoders out/);
  await dashboard.close();
});

test("a key that was reported as leaked is shown as dead until it is reset", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const answer = await fetch(`${endpoints.http}/v1/key-reports`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ streamKey }),
  });
  assert.equal(answer.status, 202);
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForText("retired", /reset it/);
  await dashboard.part("reset").click();
  await dashboard.part("reset-confirm").click();
  await dashboard.part("retired").waitFor({ state: "detached" });
  await dashboard.close();
});
