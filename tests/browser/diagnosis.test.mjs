import { after, before, test } from "node:test";
import { Encoder } from "./encoder.mjs";
import { Dashboard, openBrowser } from "./page.mjs";
import { Owner } from "./stack.mjs";

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

test("what is wrong with a stream is shown with what to click, and goes with it", async (t) => {
  const owner = new Owner();
  const { streamKey } = await owner.channel();
  const dashboard = await Dashboard.open(t, browser, owner);
  await dashboard.waitForText("advice", /press Start Streaming/);
  const encoder = new Encoder(t, streamKey, { keyframeSeconds: 60 });
  await dashboard.waitForStatus("LIVE");
  await dashboard.waitForText("finding", /keyframe interval is .* Settings > Output/);
  await dashboard.waitForText("spoken-findings", /keyframe interval/);
  await encoder.stop();
  await dashboard.part("findings").waitFor({ state: "detached" });
  await dashboard.waitForText("advice", /press Start Streaming/);
  await dashboard.close();
});
