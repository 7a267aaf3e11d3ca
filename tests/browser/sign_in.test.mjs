import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Dashboard, openBrowser } from "./page.mjs";
import { endpoints, Owner } from "./stack.mjs";

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

test("a new user makes a channel and a key, and finds both after a reload", async (t) => {
  const expected = [/409/];
  const dashboard = await Dashboard.open(t, browser, new Owner(), { expected });
  await dashboard.part("channel-name").fill("Friday night");
  await dashboard.part("create-channel").click();
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.part("generate").click();
  await dashboard.waitForText("masked-key", /^live•+/);
  const masked = await dashboard.part("masked-key").textContent();

  await dashboard.page.reload();
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.waitForText("masked-key", /^live•+/);
  assert.equal(await dashboard.part("masked-key").textContent(), masked);
  await dashboard.page.getByRole("heading", { name: "Friday night" }).waitFor();
  await dashboard.close();
});

test("a second channel has a status, a key and a place in the list of its own", async (t) => {
  const owner = new Owner();
  await owner.channel({ name: "First" });
  const dashboard = await Dashboard.open(t, browser, owner, { expected: [/409/] });
  await dashboard.part("masked-key").waitFor();
  await dashboard.page.getByRole("button", { name: "Add a channel" }).click();
  await dashboard.part("channel-name").fill("Second");
  await dashboard.part("create-channel").click();
  await dashboard.part("generate").waitFor();
  const chosen = () =>
    dashboard.part("channel").evaluate((list) => list.selectedOptions[0].textContent);
  assert.equal(await chosen(), "Second");
  await dashboard.waitForStatus("OFFLINE");

  await dashboard.part("channel").selectOption({ label: "First" });
  await dashboard.part("masked-key").waitFor();
  await dashboard.close();
});

test("a token that is no longer good leads back to the sign-in, with a word about it", async (t) => {
  const owner = new Owner();
  await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner, { expected: [/401/] });
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.page.evaluate(() => {
    for (const [name, kept] of Object.entries(sessionStorage)) {
      const session = { ...JSON.parse(kept), token: "no-longer-good" };
      sessionStorage.setItem(name, JSON.stringify(session));
    }
  });
  await dashboard.page.reload();
  await dashboard.part("expired").waitFor();
  await dashboard.signIn(owner.userId);
  await dashboard.waitForStatus("OFFLINE");
  await dashboard.close();
});

test("a user id that the API refuses is explained in the API's own words", async () => {
  const page = await browser.newPage();
  await page.goto(endpoints.http);
  await page.getByTestId("user-id").fill("no/such#user");
  await page.getByTestId("sign-in").click();
  const words = await page.getByTestId("error").textContent();
  assert.ok(words.length > 10, words);
  await page.getByTestId("user-id").waitFor();
  await page.close();
});

test("the page fits a phone of 360 pixels without scrolling sideways", async (t) => {
  const owner = new Owner();
  await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.page.setViewportSize({ width: 360, height: 740 });
  await dashboard.part("masked-key").waitFor();
  const widths = () =>
    dashboard.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  const [needed, there] = await widths();
  assert.ok(needed <= there, `${needed} of ${there} pixels`);
  await dashboard.part("reset").click();
  await dashboard.part("reset-confirm").waitFor();
  const box = await dashboard.part("reset-dialog").boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box));
  await dashboard.close();
});
