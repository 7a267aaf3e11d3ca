import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api/client";
import { type EventLog, eventWords, lastNumber, missingAfter, NO_EVENTS } from "../model/events";
import { moment } from "../model/format";
import type { Event } from "../model/live";
import { ErrorNotice } from "./Notice";

interface Props {
  api: Api;
  channelId: string;
  log: EventLog | undefined;
  dispatch: (event: Event) => void;
  /** Changes with each new connection: what was told in between was missed. */
  connectedSince: number;
}

/** What happened to the channel, newest first, as it happens. */
export function Events({ api, channelId, log = NO_EVENTS, dispatch, connectedSince }: Props) {
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const retry = () => {
    setError(null);
    setTurn(turn + 1);
  };
  useEffect(() => {
    api
      .newestEvents(channelId)
      .then((events) => dispatch({ type: "newestEvents", channelId, events }), setError);
  }, [api, channelId, dispatch, connectedSince, turn]);

  const missing = missingAfter(log);
  // Each further event is an occasion to ask again, should an answer have failed.
  const early = log.early.length;
  useEffect(() => {
    if (missing === null) return;
    api
      .eventsAfter(channelId, missing)
      .then((events) => dispatch({ type: "missedEvents", channelId, events }), setError);
  }, [api, channelId, dispatch, missing, early]);

  if (!log.isLoaded && error !== null) return <ErrorNotice error={error} onRetry={retry} />;
  if (!log.isLoaded) return <p class="empty" aria-busy="true" />;
  if (lastNumber(log) === 0) return <p class="empty">Nothing has happened yet.</p>;
  const now = Date.now();
  return (
    <ul class="events" data-testid="events">
      {log.events.map((event) => (
        <li key={event.number} data-testid="event" data-type={event.type}>
          <time class="muted small" dateTime={event.at}>
            {moment(Date.parse(event.at), now)}
          </time>
          <span>{eventWords(event, now)}</span>
        </li>
      ))}
    </ul>
  );
}
