import { expect, test } from "vitest";
import { subjectOf } from "./session";

function token(claims: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(claims));
  const text = btoa(String.fromCharCode(...bytes));
  return `e30.${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}.c2ln`;
}

test("a token says whom it is of, in any script", () => {
  expect(subjectOf(token({ sub: "user-7", iss: "https://login.example" }))).toBe("user-7");
  expect(subjectOf(token({ sub: "Zoë ÿ?>" }))).toBe("Zoë ÿ?>");
});

test("what is no token, or names nobody, is of nobody", () => {
  for (const text of ["", "a", "a.b.c", "a.%.c", token({}), token({ sub: 7 }), "e30.bnVsbA.c2ln"]) {
    expect(subjectOf(text)).toBe("");
  }
});
