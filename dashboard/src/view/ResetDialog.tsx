import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ResetStreamKey } from "../api/shapes";
import { consequence, OVERLAPS } from "../model/reset";
import { Modal } from "./Modal";

interface Props {
  isRunning: boolean;
  isBusy: boolean;
  onClose: () => void;
  onConfirm: (choice: ResetStreamKey) => void;
}

export function ResetDialog({ isRunning, isBusy, onClose, onConfirm }: Props) {
  const [overlapSeconds, setOverlap] = useState<number>(OVERLAPS[0].seconds);
  const [disconnectLive, setDisconnect] = useState(false);
  const overlap = useId();
  const safe = useRef<HTMLButtonElement>(null);
  // The first focus is on the choice that changes nothing.
  useEffect(() => safe.current?.focus(), []);

  return (
    <Modal title="Reset the stream key?" testId="reset-dialog" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onConfirm({ overlapSeconds, disconnectLive });
        }}
      >
        <p>
          A new key is made at once. Every encoder that uses this channel needs it before it can go
          live again.
        </p>
        <div class="stack stack--tight">
          <label for={overlap} class="label">
            The old key may still start streams
          </label>
          <select
            id={overlap}
            class="field"
            data-testid="reset-overlap"
            value={String(overlapSeconds)}
            onChange={(event) => setOverlap(Number(event.currentTarget.value))}
          >
            {OVERLAPS.map(({ seconds, label }) => (
              <option key={seconds} value={String(seconds)}>
                {label}
              </option>
            ))}
          </select>
        </div>
        <label class="check">
          <input
            type="checkbox"
            data-testid="reset-disconnect"
            checked={disconnectLive}
            onChange={(event) => setDisconnect(event.currentTarget.checked)}
          />
          <span>Disconnect the running stream now</span>
        </label>
        <p class="notice notice--wait" role="status" data-testid="reset-consequence">
          {consequence({ isRunning, disconnectLive, overlapSeconds }) ??
            "No stream is running on this channel now."}
        </p>
        <div class="row row--end">
          <button ref={safe} type="button" class="button" onClick={onClose}>
            Keep the key
          </button>
          <button
            type="submit"
            class="button button--danger"
            data-testid="reset-confirm"
            disabled={isBusy}
          >
            {isBusy ? "Resetting…" : "Reset key"}
          </button>
        </div>
      </form>
    </Modal>
  );
}
