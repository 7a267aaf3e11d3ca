import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HANG_MS, openBrowser } from "./page.mjs";
import { endpoints } from "./stack.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const LOOK_EVERY_MS = 50;

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

/** A second stack, for which the first one is the identity provider: where it listens. */
async function relyingStack(t) {
  const folder = mkdtempSync(join(tmpdir(), "stream-sync-relying-"));
  const file = join(folder, "endpoints.json");
  const program = process.env.STREAM_SYNC_BIN ?? join(root, "target/debug/stream-sync");
  const args = [
    ["--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--edges", "0", "--endpoints", file],
    ["--jwks", `${endpoints.http}/dev/jwks.json`, "--jwt-issuer", endpoints.http],
    ["--jwt-audience", "stream-sync-local"],
  ].flat();
  const child = spawn(program, args, { cwd: root, stdio: "ignore" });
  t.after(async () => {
    const ended = once(child, "exit");
    if (child.exitCode === null && child.kill("SIGKILL")) await ended;
    rmSync(folder, { recursive: true });
  });
  const deadline = Date.now() + HANG_MS;
  while (!existsSync(file)) {
    assert.ok(child.exitCode === null && Date.now() < deadline, "the second stack did not start");
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
  return JSON.parse(readFileSync(file, "utf8"));
}

async function tokenOf(userId) {
  const answer = await fetch(`${endpoints.http}/dev/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ userId }),
  });
  return (await answer.json()).token;
}

test("an identity provider's token signs in, and another is refused with what is wanted", async (t) => {
  const { http } = await relyingStack(t);
  const page = await browser.newPage();
  page.setDefaultTimeout(HANG_MS);
  await page.goto(http);
  const form = page.getByTestId("oidc");
  assert.match(await form.textContent(), new RegExp(`takes tokens of ${endpoints.http}`));

  await page.getByTestId("token").fill("no-token");
  await page.getByTestId("sign-in").click();
  const words = await page.getByTestId("error").textContent();
  assert.match(words, /not taken: it must be of http/);

  await page.getByTestId("token").fill(await tokenOf("a-visitor"));
  await page.keyboard.press("Enter");
  await page.getByTestId("no-channel").waitFor();
  await page.getByText("a-visitor").waitFor();
  await page.close();
});
