import { useCallback, useEffect, useState } from "preact/hooks";
import { words } from "../api/failure";
import { copyText } from "../clipboard";

/** How long the page says "Copied", in milliseconds. */
const COPIED_FOR_MS = 2_500;

export type CopyState =
  | { kind: "idle" }
  | { kind: "copied" }
  /** The clipboard refused: the text is to be copied by hand. */
  | { kind: "denied"; text: string }
  /** There was nothing to copy: the text could not be fetched. */
  | { kind: "failed"; message: string };

export interface Copy {
  state: CopyState;
  copy: () => void;
  dismiss: () => void;
}

export function useCopy(source: () => Promise<string>): Copy {
  const [state, setState] = useState<CopyState>({ kind: "idle" });
  const dismiss = useCallback(() => setState({ kind: "idle" }), []);
  const copy = useCallback(() => {
    copyText(source).then(setState, (error: unknown) =>
      setState({ kind: "failed", message: words(error) }),
    );
  }, [source]);

  useEffect(() => {
    if (state.kind !== "copied") return undefined;
    const timer = setTimeout(dismiss, COPIED_FOR_MS);
    return () => clearTimeout(timer);
  }, [state, dismiss]);

  return { state, copy, dismiss };
}
