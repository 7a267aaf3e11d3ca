/** What a channel takes, and a form to change it. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Api } from "../api/client";
import { Failure } from "../api/failure";
import type { Channel } from "../api/shapes";
import {
  consequence,
  FIELDS,
  type LimitsForm,
  limitsInWords,
  toForm,
  toUpdate,
} from "../model/limits";
import { Modal } from "./Modal";
import { ErrorNotice } from "./Notice";

interface Props {
  api: Api;
  channel: Channel;
  /** Whether a stream is live, or dropped and awaited back. */
  isRunning: boolean;
  onChanged: () => Promise<void>;
}

export function Limits({ api, channel, isRunning, onChanged }: Props) {
  const [isChanging, setChanging] = useState(false);
  const [isSaved, setSaved] = useState(false);
  const words = limitsInWords(channel);
  return (
    <div class="stack stack--tight">
      <div class="row row--spread">
        <p class="muted small" data-testid="limits">
          {words.length === 0 ? "Loading…" : `${words.join(". ")}.`}
        </p>
        <button
          type="button"
          class="button button--quiet"
          data-testid="change-limits"
          disabled={channel.limits === null}
          onClick={() => {
            setSaved(false);
            setChanging(true);
          }}
        >
          Change…
        </button>
      </div>
      <p class={isSaved ? "notice notice--good" : "visually-hidden"} role="status">
        {isSaved ? "Saved." : ""}
      </p>
      {isChanging && (
        <LimitsDialog
          api={api}
          channel={channel}
          isRunning={isRunning}
          onClose={() => setChanging(false)}
          onSaved={async (hasChanged) => {
            setChanging(false);
            setSaved(hasChanged);
            if (hasChanged) await onChanged();
          }}
        />
      )}
    </div>
  );
}

interface DialogProps {
  api: Api;
  channel: Channel;
  isRunning: boolean;
  onClose: () => void;
  onSaved: (hasChanged: boolean) => Promise<void>;
}

function LimitsDialog({ api, channel, isRunning, onClose, onSaved }: DialogProps) {
  // What the dialog began with: a list that is read meanwhile must not look like a change made here.
  const [before] = useState(() => toForm(channel));
  const [form, setForm] = useState(before);
  const [failure, setFailure] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const fields = useRef<HTMLFormElement>(null);
  const told = consequence(isRunning);
  const refused = failure instanceof Failure ? failure.field : null;
  const isOfAField = refused !== null && Object.values(FIELDS).includes(refused);

  // The field that was refused is where one goes on.
  useEffect(() => {
    fields.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [failure]);

  const save = async () => {
    const update = toUpdate(form, before);
    setBusy(true);
    setFailure(null);
    try {
      if (update !== null) await api.updateChannel(channel.id, update);
      await onSaved(update !== null);
    } catch (reason) {
      setFailure(reason);
      setBusy(false);
    }
  };
  const field = (name: keyof LimitsForm) => ({
    name,
    value: form[name],
    problem: failure instanceof Failure && refused === FIELDS[name] ? failure.message : null,
    onInput: (value: string) => setForm((known) => ({ ...known, [name]: value })),
  });
  return (
    <Modal title="What this channel takes" testId="limits-dialog" onClose={onClose}>
      <form
        ref={fields}
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field
          {...field("networks")}
          label="Allowed networks"
          hint="One a line, like 192.0.2.0/24 or 2001:db8::1. Empty: from anywhere."
          rows={3}
        />
        <Field
          {...field("bitrate")}
          label="Maximum bitrate, kbit/s"
          hint="As the mean of ten seconds; a tenth more is let pass. Empty: any."
          isNumber
        />
        <Field
          {...field("resolution")}
          label="Maximum resolution"
          hint="Like 1920x1080, whichever way the picture is turned. Empty: any."
        />
        <Field
          {...field("grace")}
          label="Grace, seconds"
          hint="For how long an encoder that drops may come back as the same broadcast. From the next stream on."
          isNumber
        />
        {told !== null && (
          <p class="notice notice--wait" data-testid="limits-consequence">
            {told}
          </p>
        )}
        {failure !== null && !isOfAField && <ErrorNotice error={failure} />}
        <div class="row row--end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button button--main"
            data-testid="save-limits"
            disabled={isBusy}
          >
            {isBusy ? "Saving…" : "Save"}
          </button>
        </div>
      </form>
    </Modal>
  );
}

interface FieldProps {
  name: string;
  label: string;
  hint: string;
  value: string;
  problem: string | null;
  isNumber?: boolean;
  /** A field of several lines. */
  rows?: number;
  onInput: (value: string) => void;
}

function Field({ name, label, hint, value, problem, isNumber, rows, onInput }: FieldProps) {
  const id = useId();
  const shared = {
    id,
    class: "field",
    "data-testid": `limits-${name}`,
    value,
    autocomplete: "off",
    spellcheck: false,
    "aria-invalid": problem !== null,
    "aria-describedby": problem === null ? `${id}-hint` : `${id}-problem ${id}-hint`,
  } as const;
  return (
    <div class="stack stack--tight">
      <label class="label" for={id}>
        {label}
      </label>
      {rows === undefined ? (
        <input
          {...shared}
          inputMode={isNumber ? "numeric" : "text"}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      ) : (
        <textarea {...shared} rows={rows} onInput={(event) => onInput(event.currentTarget.value)} />
      )}
      {problem !== null && (
        <p
          id={`${id}-problem`}
          class="notice notice--bad"
          role="alert"
          data-testid={`limits-${name}-problem`}
        >
          {problem}
        </p>
      )}
      <p id={`${id}-hint`} class="muted small">
        {hint}
      </p>
    </div>
  );
}
