import type { ComponentChildren } from "preact";
import { count, localTimes, moment } from "../model/format";
import { type Refusal, refusalTitle, retryWords } from "../model/refusals";
import { useNow } from "./use-now";

/** How often the time until the next try is counted down, in milliseconds. */
const COUNTDOWN_TICK_MS = 1_000;

/** Attempts to publish that were turned away, with the reason that encoders do not show. */
export function Refused({ refusals }: { refusals: readonly Refusal[] }) {
  if (refusals.length === 0) {
    return (
      <Empty>
        None since this page was opened. When an encoder is turned away, the reason stands here
        within a second, because OBS cannot show it.
      </Empty>
    );
  }
  return (
    <ul class="refusals" data-testid="refused" aria-live="polite" aria-relevant="additions">
      {refusals.map((refusal) => (
        <Row key={refusal.id} refusal={refusal} />
      ))}
    </ul>
  );
}

function Empty({ children }: { children: ComponentChildren }) {
  return (
    <p class="empty" data-testid="refused-empty">
      {children}
    </p>
  );
}

function Row({ refusal }: { refusal: Refusal }) {
  const { id, reason, detail, ipAddress, encoder, at, times, retryAt } = refusal;
  const now = useNow(COUNTDOWN_TICK_MS);
  const retry = retryWords(retryAt, now);
  return (
    <li class="refusal" data-testid="refusal" data-reason={reason} data-id={id}>
      <p class="refusal__head">
        <strong>{refusalTitle(reason)}</strong>
        <time class="muted small" dateTime={at}>
          {moment(Date.parse(at), now)}
          {times > 1 && `, ${count(times)}`}
        </time>
      </p>
      <p>{localTimes(detail, now)}</p>
      {retry !== null && (
        <p class="small" data-testid="retry" aria-live="off">
          {retry}
        </p>
      )}
      <p class="muted small">
        from <span class="code">{ipAddress}</span>
        {encoder !== null && <> with {encoder}</>}
      </p>
    </li>
  );
}
