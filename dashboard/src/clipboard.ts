/**
 * Copies a text that may still have to be fetched.
 *
 * The clipboard is asked at once, with a promise of the text: some browsers refuse to copy once the
 * click is over. Where the clipboard is absent or refuses, the caller gets the text to show it.
 */
export type Copied = { kind: "copied" } | { kind: "denied"; text: string };

/** The part of the browser that is used; absent on pages without a secure origin. */
export interface Board {
  write(items: ClipboardItem[]): Promise<void>;
}

/**
 * Rejects only when the text itself could not be had.
 */
export async function copyText(
  source: () => Promise<string>,
  board: Board | undefined = globalThis.navigator?.clipboard,
): Promise<Copied> {
  const text = source();
  try {
    if (board === undefined) throw new Error("no clipboard");
    await board.write([promised(text)]);
    await text;
    return { kind: "copied" };
  } catch {
    return { kind: "denied", text: await text };
  }
}

function promised(text: Promise<string>): ClipboardItem {
  const blob = text.then((content) => new Blob([content], { type: "text/plain" }));
  // The rejection is the caller's, who awaits the text itself.
  blob.catch(() => undefined);
  return new ClipboardItem({ "text/plain": blob });
}
