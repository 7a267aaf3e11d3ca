import { beforeEach, expect, test, vi } from "vitest";
import { type Board, copyText } from "./clipboard";

class FakeItem {
  constructor(readonly parts: Record<string, Promise<Blob>>) {}
}

beforeEach(() => {
  vi.stubGlobal("ClipboardItem", FakeItem);
});

/** A clipboard that takes what is promised, as browsers do. */
function board(): Board & { text: string } {
  return {
    text: "",
    async write(items) {
      const [item] = items as unknown as FakeItem[];
      const blob = await item?.parts["text/plain"];
      this.text = (await blob?.text()) ?? "";
    },
  };
}

const refusing: Board = { write: () => Promise.reject(new Error("not allowed")) };

test("a text that is still being fetched is copied once it is there", async () => {
  const clipboard = board();
  expect(await copyText(async () => "the text", clipboard)).toEqual({ kind: "copied" });
  expect(clipboard.text).toBe("the text");
});

test("the clipboard is asked before the text is there, while the click still counts", async () => {
  const write = vi.fn(() => Promise.resolve());
  let deliver = (_: string) => {};
  const copied = copyText(() => new Promise((resolve) => (deliver = resolve)), { write });
  expect(write).toHaveBeenCalledOnce();
  deliver("later");
  expect(await copied).toEqual({ kind: "copied" });
});

test("a clipboard that refuses gives the text to copy by hand", async () => {
  expect(await copyText(async () => "by hand", refusing)).toEqual({
    kind: "denied",
    text: "by hand",
  });
});

test("a browser without a clipboard gives the text to copy by hand", async () => {
  expect(await copyText(async () => "by hand", undefined)).toMatchObject({ kind: "denied" });
});

test("a browser without clipboard items gives the text to copy by hand", async () => {
  vi.stubGlobal("ClipboardItem", undefined);
  expect(await copyText(async () => "by hand", board())).toMatchObject({ kind: "denied" });
});

test("a text that cannot be had is an error, not a refusal of the clipboard", async () => {
  const source = () => Promise.reject(new Error("the API is down"));
  await expect(copyText(source, board())).rejects.toThrow("the API is down");
  await expect(copyText(source, refusing)).rejects.toThrow("the API is down");
});
