/** The dashboard in a real Chromium. */
import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";
import { endpoints } from "./stack.mjs";

/** Longest wait for anything on the page: far above every promise, so that only a hang reaches it. */
export const HANG_MS = 20_000;

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Opens a browser; playwright gives it an empty profile and removes that again. Where a relay is
 * given, what the browser asks of localhost goes through it, under the stack's own name and port.
 */
export function openBrowser(relay) {
  const args = [...ARGUMENTS];
  if (relay !== undefined) {
    const { port } = new URL(endpoints.http);
    args.push(`--host-resolver-rules=MAP localhost:${port} 127.0.0.1:${relay.port}`);
  }
  return chromium.launch({ executablePath: program(), args });
}

function program() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const places = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error(`no browser on the PATH: one of ${NAMES.join(", ")}`);
  return found;
}

/**
 * One signed-in dashboard, and everything that its status card has said. It is closed when the test
 * is over, whatever came of it; a test that goes well closes it itself, which checks more.
 */
export class Dashboard {
  #context;
  #page;
  #complaints = [];

  static async open(t, browser, owner, { base = endpoints.http, expected = [] } = {}) {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    page.setDefaultTimeout(HANG_MS);
    const dashboard = new Dashboard(context, page, expected);
    await page.goto(base);
    await dashboard.signIn(owner.userId);
    return dashboard;
  }

  constructor(context, page, expected) {
    this.#context = context;
    this.#page = page;
    const complain = (text) => {
      if (!expected.some((pattern) => pattern.test(text))) this.#complaints.push(text);
    };
    page.on("pageerror", (error) => complain(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complain(message.text());
    });
  }

  get page() {
    return this.#page;
  }

  part(name) {
    return this.#page.getByTestId(name);
  }

  async signIn(userId) {
    await this.part("user-id").fill(userId);
    await this.part("sign-in").click();
  }

  /** Begins to note each status that the card shows, with its time. */
  async watchStatus() {
    await this.part("status").waitFor();
    await this.#page.evaluate(() => {
      const card = document.querySelector('[data-testid="status"]');
      const said = [{ word: card.textContent, at: Date.now() }];
      const note = () => {
        const word = card.textContent;
        if (word !== said.at(-1).word) said.push({ word, at: Date.now() });
      };
      new MutationObserver(note).observe(card, {
        characterData: true,
        childList: true,
        subtree: true,
      });
      window.saidByStatus = said;
    });
  }

  /** What the card has shown since `watchStatus`, oldest first: `[{ word, at }]`. */
  statuses() {
    return this.#page.evaluate(() => window.saidByStatus);
  }

  async words() {
    return (await this.statuses()).map(({ word }) => word);
  }

  async waitForStatus(word, timeout = HANG_MS) {
    await this.#page.waitForFunction(
      (wanted) => document.querySelector('[data-testid="status"]')?.textContent === wanted,
      word,
      { timeout },
    );
  }

  async waitForText(name, pattern) {
    await this.#page.waitForFunction(
      ([id, source]) => {
        const text = document.querySelector(`[data-testid="${id}"]`)?.textContent ?? "";
        return new RegExp(source).test(text);
      },
      [name, pattern.source],
    );
  }

  /** Everything that a look into the page could find: document, fields, storage, address. */
  everything() {
    return this.#page.evaluate(() =>
      [
        document.documentElement.outerHTML,
        ...[...document.querySelectorAll("input, textarea, output")].map((field) => field.value),
        JSON.stringify({ ...sessionStorage }),
        JSON.stringify({ ...localStorage }),
        document.cookie,
        location.href,
      ].join("\n"),
    );
  }

  /** Closes the page. It must have had nothing to complain about, its policy included. */
  async close() {
    await this.#context.close();
    assert.deepEqual(this.#complaints, [], "errors and warnings in the browser's console");
  }
}
