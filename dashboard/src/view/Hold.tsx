/** Ends a running stream and keeps encoders out for a while; and lets them in again. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Api } from "../api/client";
import type { Channel } from "../api/shapes";
import { moment } from "../model/format";
import { HOLDS, heldUntil } from "../model/hold";
import { Modal } from "./Modal";
import { ErrorNotice } from "./Notice";
import { useNow } from "./use-now";

const TICK_MS = 1_000;

interface Props {
  api: Api;
  channel: Channel;
  /** Whether a stream is live, or dropped and awaited back. */
  isRunning: boolean;
  onChanged: () => Promise<void>;
}

export function Hold({ api, channel, isRunning, onChanged }: Props) {
  const now = useNow(TICK_MS);
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const until = heldUntil(channel.holdUntil, now);

  const change = async (what: () => Promise<unknown>) => {
    setBusy(true);
    setFailure(null);
    try {
      await what();
      await onChanged();
    } catch (reason) {
      setFailure(reason);
    } finally {
      setBusy(false);
      setAsking(false);
    }
  };
  return (
    <div class="stack stack--tight">
      <div class="row row--spread">
        <p
          class={until === null ? "muted small" : "notice notice--wait"}
          role="status"
          data-testid="hold"
        >
          {until === null
            ? "Somebody is live who should not be? End it and keep encoders out."
            : `On hold until ${moment(until, now)}: no encoder gets in.`}
        </p>
        {until === null ? (
          <button
            type="button"
            class="button button--quiet"
            data-testid="disconnect"
            onClick={() => setAsking(true)}
          >
            {isRunning ? "Disconnect…" : "Hold…"}
          </button>
        ) : (
          <button
            type="button"
            class="button"
            data-testid="lift-hold"
            disabled={isBusy}
            onClick={() => void change(() => api.liftHold(channel.id))}
          >
            Lift the hold
          </button>
        )}
      </div>
      {failure !== null && <ErrorNotice error={failure} />}
      {isAsking && (
        <HoldDialog
          isRunning={isRunning}
          isBusy={isBusy}
          onClose={() => setAsking(false)}
          onConfirm={(seconds) => void change(() => api.disconnect(channel.id, seconds))}
        />
      )}
    </div>
  );
}

interface DialogProps {
  isRunning: boolean;
  isBusy: boolean;
  onClose: () => void;
  onConfirm: (seconds: number) => void;
}

function HoldDialog({ isRunning, isBusy, onClose, onConfirm }: DialogProps) {
  const [seconds, setSeconds] = useState<number>(HOLDS[0].seconds);
  const choice = useId();
  const safe = useRef<HTMLButtonElement>(null);
  // The first focus is on the choice that changes nothing.
  useEffect(() => safe.current?.focus(), []);

  return (
    <Modal title="Close this channel for a while?" testId="hold-dialog" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onConfirm(seconds);
        }}
      >
        <p>
          {isRunning
            ? "The running stream ends within a second, and every encoder is refused until the hold is over or you lift it."
            : "Every encoder is refused until the hold is over or you lift it."}{" "}
          The stream key stays the same.
        </p>
        <div class="stack stack--tight">
          <label for={choice} class="label">
            Keep encoders out for
          </label>
          <select
            id={choice}
            class="field"
            data-testid="hold-seconds"
            value={String(seconds)}
            onChange={(event) => setSeconds(Number(event.currentTarget.value))}
          >
            {HOLDS.map(({ seconds: each, label }) => (
              <option key={each} value={String(each)}>
                {label}
              </option>
            ))}
          </select>
        </div>
        <div class="row row--end">
          <button ref={safe} type="button" class="button" onClick={onClose}>
            Leave it open
          </button>
          <button
            type="submit"
            class="button button--danger"
            data-testid="hold-confirm"
            disabled={isBusy}
          >
            {isRunning ? "Disconnect" : "Hold"}
          </button>
        </div>
      </form>
    </Modal>
  );
}
