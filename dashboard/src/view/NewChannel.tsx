import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Api } from "../api/client";
import { ErrorNotice } from "./Notice";

/** The API's own bound on a name, in characters. */
const LONGEST_NAME = 100;

interface Props {
  api: Api;
  onCreated: (channelId: string) => void;
  onCancel?: () => void;
}

export function NewChannel({ api, onCreated, onCancel }: Props) {
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => field.current?.focus(), []);

  const create = async () => {
    setBusy(true);
    setError(null);
    try {
      const channel = await api.createChannel(name.trim());
      onCreated(channel.id);
    } catch (reason) {
      setError(reason);
      setBusy(false);
    }
  };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void create();
      }}
    >
      <div class="stack stack--tight">
        <label class="label" for={id}>
          Name
        </label>
        <input
          id={id}
          ref={field}
          class="field"
          data-testid="channel-name"
          value={name}
          required
          maxLength={LONGEST_NAME}
          placeholder="Friday night live"
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </div>
      {error !== null && <ErrorNotice error={error} />}
      <div class="row row--end">
        {onCancel && (
          <button type="button" class="button" onClick={onCancel}>
            Cancel
          </button>
        )}
        <button
          type="submit"
          class="button button--main"
          data-testid="create-channel"
          disabled={isBusy || name.trim() === ""}
        >
          {isBusy ? "Creating…" : "Create channel"}
        </button>
      </div>
    </form>
  );
}
