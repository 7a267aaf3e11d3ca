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

/** Sets the page's right to the clipboard ("granted", "denied"), as the browser's settings do. */
async function setClipboard(dashboard, setting) {
  const page = await dashboard.page.context().newCDPSession(dashboard.page);
  const { targetInfo } = await page.send("Target.getTargetInfo");
  const settings = await browser.newBrowserCDPSession();
  for (const permission of [
    { name: "clipboard-read" },
    { name: "clipboard-write" },
    { name: "clipboard-write", allowWithoutSanitization: true },
  ]) {
    const origin = new URL(endpoints.http).origin;
    const { browserContextId } = targetInfo;
    await settings.send("Browser.setPermission", { permission, setting, origin, browserContextId });
  }
}

/** Longest run of a key's characters that may be found anywhere: less than any use could need. */
const HARMLESS_CHARACTERS = 6;

async function assertHidden(dashboard, streamKey) {
  const everything = await dashboard.everything();
  // The first four characters are the same in every key.
  for (let start = 4; start + HARMLESS_CHARACTERS <= streamKey.length; start += 1) {
    const part = streamKey.slice(start, start + HARMLESS_CHARACTERS);
    assert.ok(!everything.includes(part), `characters ${start} and on of the key are in the page`);
  }
}

test("the key is nowhere in the page until its owner reveals it, and gone again when hidden", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForText("masked-key", /^live•+[0-9A-Za-z]{4}$/);
  await assertHidden(dashboard, streamKey);

  await dashboard.part("reveal").click();
  await dashboard.waitForText("stream-key", /^live[0-9A-Za-z]{36}$/);
  assert.equal(await dashboard.part("stream-key").textContent(), streamKey);

  await dashboard.part("hide").click();
  await dashboard.part("masked-key").waitFor();
  await assertHidden(dashboard, streamKey);
  await dashboard.close();
});

test("copying puts the key on the clipboard and not into the page", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.part("masked-key").waitFor();
  await setClipboard(dashboard, "granted");
  await dashboard.part("copy").click();
  await dashboard.waitForText("copy", /Copied/);
  assert.equal(await dashboard.page.evaluate(() => navigator.clipboard.readText()), streamKey);
  await assertHidden(dashboard, streamKey);

  const url = await dashboard.part("ingest-url").first().textContent();
  assert.equal(url, endpoints.edges[0].rtmp);
  await dashboard.part("copy-ingest-url").first().click();
  await dashboard.waitForText("copy-ingest-url", /Copied/);
  assert.equal(await dashboard.page.evaluate(() => navigator.clipboard.readText()), url);
  await dashboard.close();
});

test("a clipboard that refuses is said, and the key stands selected to be copied by hand", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.part("masked-key").waitFor();
  await setClipboard(dashboard, "denied");
  await dashboard.part("copy").click();
  const field = dashboard.part("clipboard-fallback");
  await field.waitFor();
  assert.equal(await field.inputValue(), streamKey);
  assert.equal(await dashboard.page.evaluate(() => getSelection().toString()), streamKey);
  assert.equal(
    await field.evaluate((input) => input.readOnly && input === document.activeElement),
    true,
  );
  await dashboard.page.getByText("did not let this page use the clipboard").waitFor();

  await dashboard.page.getByRole("button", { name: "Done" }).click();
  await field.waitFor({ state: "detached" });
  await assertHidden(dashboard, streamKey);
  await dashboard.close();
});

test("leaving the reset dialog changes nothing and gives the focus back", async (t) => {
  const owner = new Owner();
  const { channelId, streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.part("reset").focus();
  await dashboard.page.keyboard.press("Enter");
  await dashboard.part("reset-dialog").waitFor();
  const focused = await dashboard.page.evaluate(() => document.activeElement.textContent);
  assert.equal(focused, "Keep the key", "the first focus is on the choice that changes nothing");
  await dashboard.page.keyboard.press("Escape");
  await dashboard.part("reset-dialog").waitFor({ state: "detached" });
  assert.equal(await dashboard.page.evaluate(() => document.activeElement.dataset.testid), "reset");
  assert.equal(await owner.revealedKey(channelId), streamKey);
  await dashboard.close();
});

test("a reset while live disconnects the stream when asked, and explains the old key's refusal", async (t) => {
  const owner = new Owner();
  const { channelId, streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForStatus("OFFLINE");
  const encoder = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");
  await dashboard.watchStatus();
  const masked = await dashboard.part("masked-key").textContent();

  await dashboard.part("reset").click();
  await dashboard.waitForText("reset-consequence", /goes on until it stops or drops/);
  await dashboard.part("reset-disconnect").check();
  await dashboard.waitForText("reset-consequence", /ends within a second/);
  await dashboard.part("reset-confirm").click();
  await dashboard.waitForStatus("OFFLINE");
  await encoder.ended();
  assert.deepEqual(await dashboard.words(), ["LIVE", "OFFLINE"]);
  await dashboard.page.waitForFunction(
    (before) => document.querySelector('[data-testid="masked-key"]')?.textContent !== before,
    masked,
  );
  await dashboard.waitForText("session", /Stream key was reset/);

  const second = new Encoder(t, streamKey);
  await dashboard.part("refusal").waitFor();
  assert.equal(await dashboard.part("refusal").getAttribute("data-reason"), "unauthorized");
  await second.ended();

  const third = new Encoder(t, await owner.revealedKey(channelId));
  await dashboard.waitForStatus("LIVE");
  await third.stop();
  await dashboard.close();
});

test("a running stream goes on after a reset that was not asked to disconnect it", async (t) => {
  const owner = new Owner();
  const { channelId, streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForStatus("OFFLINE");
  const encoder = new Encoder(t, streamKey);
  await dashboard.waitForStatus("LIVE");
  await dashboard.watchStatus();
  await dashboard.part("reset").click();
  await dashboard.part("reset-confirm").click();
  await dashboard.page.getByText("A new stream key is in place").waitFor();
  assert.notEqual(await owner.revealedKey(channelId), streamKey);
  const figures = await dashboard.part("status-since").textContent();
  await dashboard.page.waitForFunction(
    (before) => document.querySelector('[data-testid="status-since"]')?.textContent !== before,
    figures,
  );
  assert.ok(encoder.isRunning);
  assert.deepEqual(await dashboard.words(), ["LIVE"]);
  await encoder.stop();
  await dashboard.close();
});
