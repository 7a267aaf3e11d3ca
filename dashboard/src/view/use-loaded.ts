import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  /** The last answer; stays while a newer one is awaited or has failed. */
  value: T | null;
  error: unknown;
  isLoading: boolean;
  reload: () => void;
}

/** Loads at once, whenever `load` changes, and on `reload`; only the latest answer counts. */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isLoading, setLoading] = useState(true);
  const turn = useRef(0);

  const reload = useCallback(() => {
    turn.current += 1;
    const mine = turn.current;
    setLoading(true);
    load().then(
      (answer) => {
        if (mine !== turn.current) return;
        setValue(answer);
        setError(null);
        setLoading(false);
      },
      (reason: unknown) => {
        if (mine !== turn.current) return;
        setError(reason);
        setLoading(false);
      },
    );
  }, [load]);

  useEffect(() => {
    reload();
    return () => {
      turn.current += 1;
    };
  }, [reload]);

  return { value, error, isLoading, reload };
}
