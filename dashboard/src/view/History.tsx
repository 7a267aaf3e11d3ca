import { useCallback, useEffect, useState } from "preact/hooks";
import type { Api } from "../api/client";
import type { Page, Session } from "../api/shapes";
import { bitrate, duration, endReason, frameRate, moment } from "../model/format";
import { ErrorNotice } from "./Notice";
import { useLoaded } from "./use-loaded";

/** When the list is read once more after a change, in milliseconds: the record follows the status. */
const SETTLE_MS = 2_000;

interface Props {
  api: Api;
  channelId: string;
  /** Changes with each change of the status. */
  version: string;
}

/** Broadcasts, the running one included, newest first. */
export function History({ api, channelId, version }: Props) {
  const load = useCallback(() => api.sessions(channelId), [api, channelId, version]);
  const { value, error, isLoading, reload } = useLoaded(load);
  useEffect(() => {
    const timer = setTimeout(reload, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [version, reload]);

  if (value === null && error !== null) return <ErrorNotice error={error} onRetry={reload} />;
  if (value === null) return <p class="empty" aria-busy={isLoading} />;
  if (value.items.length === 0) {
    return <p class="empty">No broadcast yet. The first one is listed here when it goes live.</p>;
  }
  return <Sessions key={channelId} api={api} channelId={channelId} newest={value} />;
}

interface SessionsProps {
  api: Api;
  channelId: string;
  newest: Page<Session>;
}

function Sessions({ api, channelId, newest }: SessionsProps) {
  const [older, setOlder] = useState<Page<Session> | null>(null);
  const [error, setError] = useState<unknown>(null);
  const cursor = older === null ? newest.cursor : older.cursor;
  const shown = withoutRepeats([...newest.items, ...(older?.items ?? [])]);

  const showOlder = () => {
    setError(null);
    api
      .sessions(channelId, cursor)
      .then(
        (page) => setOlder({ ...page, items: [...(older?.items ?? []), ...page.items] }),
        setError,
      );
  };
  return (
    <div class="stack">
      <div class="table" role="region" aria-label="Broadcasts" tabIndex={0}>
        <table data-testid="sessions">
          <thead>
            <tr>
              <th scope="col">Started</th>
              <th scope="col">Lasted</th>
              <th scope="col" class="number">
                Mean bitrate
              </th>
              <th scope="col">Picture</th>
              <th scope="col">From</th>
              <th scope="col">Ended because</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((session) => (
              <Row key={session.id} session={session} />
            ))}
          </tbody>
        </table>
      </div>
      {error !== null && <ErrorNotice error={error} onRetry={showOlder} />}
      {cursor !== undefined && (
        <button type="button" class="button button--quiet" onClick={showOlder}>
          Show older
        </button>
      )}
    </div>
  );
}

function Row({ session }: { session: Session }) {
  const { startedAt, endedAt, ipAddress, encoder } = session;
  const start = Date.parse(startedAt);
  return (
    <tr data-testid="session" data-session={session.id}>
      <td>
        <time dateTime={startedAt}>{moment(start, Date.now())}</time>
      </td>
      <td>
        {endedAt === null ? (
          <span class="tag tag--live">running</span>
        ) : (
          duration(Date.parse(endedAt) - start)
        )}
      </td>
      <td class="number">{endedAt === null ? "–" : `${bitrate(session.bitrateKbps)} kbit/s`}</td>
      <td>
        {session.resolution?.replace("x", "×") ?? "–"}
        {session.fps !== null && <span class="muted"> at {frameRate(session.fps)}</span>}
      </td>
      <td>
        <span class="code">{ipAddress}</span>
        {encoder !== null && <span class="muted table__encoder">{encoder}</span>}
      </td>
      <td>{endReason(session.reason)}</td>
    </tr>
  );
}

function withoutRepeats(sessions: readonly Session[]): Session[] {
  return [...new Map(sessions.map((session) => [session.id, session])).values()];
}
