import { useEffect, useReducer } from "preact/hooks";

/**
 * The present moment by our clock; the view is drawn again each `every` milliseconds, and by the
 * present moment whatever else it is drawn again for.
 */
export function useNow(every: number): number {
  const [, draw] = useReducer((times: number, _: void) => times + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => draw(), every);
    return () => clearInterval(timer);
  }, [every]);
  return Date.now();
}
