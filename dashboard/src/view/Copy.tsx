import { useEffect, useId, useRef } from "preact/hooks";
import { CheckIcon, CopyIcon } from "./icons";
import type { Copy } from "./use-copy";

interface ButtonProps {
  copy: Copy;
  /** What is copied, for those who do not see where the button stands. */
  what: string;
  testId: string;
}

export function CopyButton({ copy, what, testId }: ButtonProps) {
  const isCopied = copy.state.kind === "copied";
  return (
    <button type="button" class="button" data-testid={testId} onClick={copy.copy}>
      {isCopied ? <CheckIcon /> : <CopyIcon />}
      <span class="button__word" aria-live="polite">
        {isCopied ? "Copied" : "Copy"}
      </span>
      <span class="visually-hidden"> {what}</span>
    </button>
  );
}

/** Shown when copying did not work: the text, selected, to be copied by hand. */
export function CopyFallback({ copy, what }: { copy: Copy; what: string }) {
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  const text = copy.state.kind === "denied" ? copy.state.text : null;

  useEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, [text]);

  if (copy.state.kind === "failed") {
    return (
      <p class="notice notice--bad" role="alert">
        {copy.state.message}
      </p>
    );
  }
  if (text === null) return null;
  return (
    <div class="notice notice--wait" role="alert">
      <label class="notice__text" for={id}>
        The browser did not let this page use the clipboard. The {what} is selected below: press
        Ctrl+C (⌘C on a Mac), or hold it on a phone, to copy it by hand.
      </label>
      <div class="row">
        <input
          id={id}
          ref={field}
          class="field field--code"
          data-testid="clipboard-fallback"
          readOnly
          value={text}
          spellcheck={false}
          autocomplete="off"
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" class="button" onClick={copy.dismiss}>
          Done
        </button>
      </div>
    </div>
  );
}
