import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Api } from "./client";
import { Failure, words } from "./failure";

let answer: () => Promise<Response>;
let asked: { url: string; init: RequestInit }[];
let signedOut: number;

beforeEach(() => {
  asked = [];
  signedOut = 0;
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    asked.push({ url, init });
    return answer();
  });
});

afterEach(() => vi.unstubAllGlobals());

const api = () => new Api("https://api.example.com/", "fake-token", () => (signedOut += 1));

const json = (status: number, body: unknown) => async () =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

const problem = (status: number, code: string, detail: string) =>
  json(status, { type: "about:blank", title: "Words", status, detail, code });

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => {
      throw new Error("the call did not fail");
    },
    (error: unknown) => error as Failure,
  );

describe("a call", () => {
  test("it carries the token, and an id cannot reach into another path", async () => {
    answer = json(200, { items: [] });
    await api().sessions("a/../b", "next page");
    expect(asked[0]?.url).toBe(
      "https://api.example.com/v1/channels/a%2F..%2Fb/sessions?limit=10&cursor=next+page",
    );
    expect(new Headers(asked[0]?.init.headers).get("authorization")).toBe("Bearer fake-token");
  });

  test("a reset sends both choices by the names of the API", async () => {
    answer = json(200, {});
    await api().resetKey("a", { overlapSeconds: 600, disconnectLive: true });
    expect(asked[0]?.init.body).toBe('{"overlapSeconds":600,"disconnectLive":true}');
  });
});

describe("a failure", () => {
  test("a problem is shown in the API's own words and known by its code", async () => {
    answer = problem(409, "no_stream_key", "Generate a key first.");
    const failure = await failureOf(api().maskedKey("a"));
    expect([failure.code, words(failure), signedOut]).toEqual([
      "no_stream_key",
      "Generate a key first.",
      0,
    ]);
  });

  test("the field that was refused is known", async () => {
    const body = { title: "Words", status: 422, detail: "No.", code: "x", field: "graceSeconds" };
    answer = json(422, body);
    const failure = await failureOf(api().updateChannel("a", { graceSeconds: 0 }));
    expect(failure.field).toBe("graceSeconds");
    expect(asked[0]?.init.method).toBe("PATCH");
    answer = problem(409, "no_stream_key", "Generate a key first.");
    expect((await failureOf(api().maskedKey("a"))).field).toBeNull();
  });

  test("a token that is no longer good is told to whoever holds it", async () => {
    answer = problem(401, "unauthenticated", "The token has expired.");
    expect((await failureOf(api().channels())).isUnauthenticated).toBe(true);
    expect(signedOut).toBe(1);
  });

  test("a server that cannot be reached is said in plain words", async () => {
    answer = () => Promise.reject(new TypeError("Failed to fetch"));
    const failure = await failureOf(api().channels());
    expect(failure.code).toBe("unreachable");
    expect(words(failure)).toContain("does not answer");
  });

  test("an answer that is no problem document still says its status", async () => {
    answer = async () => new Response("<html>Bad gateway</html>", { status: 502 });
    expect(words(await failureOf(api().channels()))).toContain("502");
  });

  test("an error that is nobody's answer is never shown as it is", () => {
    expect(words(new Error("internal: secret"))).not.toContain("secret");
  });
});
