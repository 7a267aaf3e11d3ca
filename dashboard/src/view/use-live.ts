/** Connects the model to the world: one socket for as long as the page is signed in. */
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import type { Api } from "../api/client";
import { Failure } from "../api/failure";
import { EMPTY, type Event, isBehind, reduce, type State } from "../model/live";
import type { Link } from "../model/signal";
import { type Phase, Socket } from "../socket";

/** Shortest time between two snapshots that the page asks for unprompted, in milliseconds. */
const CATCH_UP_EVERY_MS = 5_000;

export interface Live {
  state: State;
  dispatch: (event: Event) => void;
  phase: Phase;
  link: Link;
  /** Why the channels could not be listed; null once they could. */
  failure: Failure | null;
  /** Lists the channels again and asks for a new snapshot. */
  refresh: () => Promise<void>;
}

export function useLive(api: Api, websocketUrl: string): Live {
  const [state, dispatch] = useReducer(reduce, EMPTY);
  const [phase, setPhase] = useState<Phase>("connecting");
  const [link, setLink] = useState<Link>(() => ({ isUp: false, since: Date.now() }));
  const [failure, setFailure] = useState<Failure | null>(null);
  const socket = useRef<Socket | null>(null);
  const latest = useRef(state);
  latest.current = state;

  const refresh = useCallback(async () => {
    try {
      const channels = await api.channels();
      dispatch({ type: "channels", channels });
      setFailure(null);
      socket.current?.hello();
    } catch (error) {
      setFailure(error instanceof Failure ? error : Failure.unreachable());
    }
  }, [api]);

  useEffect(() => {
    let askedAt = 0;
    const opened = new Socket({
      url: new URL(websocketUrl, location.href).href,
      ticket: () => api.websocketTicket(),
      open: (url) => new WebSocket(url),
      random: Math.random,
      onPhase: (entered) => {
        setPhase(entered);
        if (entered === "open") dispatch({ type: "connected" });
        else setLink((before) => turned(before, false));
      },
      onMessage: (message) => {
        const now = Date.now();
        if (isBehind(latest.current, message) && now - askedAt > CATCH_UP_EVERY_MS) {
          askedAt = now;
          opened.hello();
        }
        if (message.type === "snapshot") {
          setFailure(null);
          setLink((before) => turned(before, true));
        }
        dispatch({ type: "message", message, now });
      },
    });
    socket.current = opened;
    opened.start();
    const wake = () => {
      if (document.visibilityState === "visible") opened.wake();
    };
    addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
    return () => {
      removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
      opened.stop();
    };
  }, [api, websocketUrl]);

  useEffect(() => void refresh(), [refresh]);

  return useMemo(
    () => ({ state, dispatch, phase, link, failure, refresh }),
    [state, dispatch, phase, link, failure, refresh],
  );
}

function turned(before: Link, isUp: boolean): Link {
  return before.isUp === isUp ? before : { isUp, since: Date.now() };
}
