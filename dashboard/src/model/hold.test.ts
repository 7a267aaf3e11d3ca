import { describe, expect, it } from "vitest";
import { heldUntil } from "./hold";

describe("a hold", () => {
  const until = "2030-03-17T17:46:40Z";
  const end = Date.parse(until);

  it("is shown until it ends", () => {
    expect(heldUntil(until, end - 1)).toBe(end);
    expect(heldUntil(until, end)).toBeNull();
  });

  it("is none where the server names none", () => {
    expect(heldUntil(null, end)).toBeNull();
    expect(heldUntil("soon", end)).toBeNull();
  });
});
