/**
 * The stream key. Unless its owner asks to see it, the page holds only the masked view: the key is
 * neither in the document nor in this component's memory, and copying fetches it for that moment.
 */
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Api } from "../api/client";
import { Failure } from "../api/failure";
import type { MaskedStreamCredential, ResetStreamKey } from "../api/shapes";
import { moment } from "../model/format";
import { CopyButton, CopyFallback } from "./Copy";
import { EyeIcon, EyeOffIcon, ResetIcon } from "./icons";
import { ErrorNotice } from "./Notice";
import { ResetDialog } from "./ResetDialog";
import { useCopy } from "./use-copy";
import { useLoaded } from "./use-loaded";

/** A revealed key is masked again after this time, in milliseconds: screens are shared. */
const REVEALED_FOR_MS = 60_000;

interface Props {
  api: Api;
  channelId: string;
  /** Whether a stream is live, or dropped and awaited back. */
  isRunning: boolean;
}

export function StreamKey({ api, channelId, isRunning }: Props) {
  const load = useCallback(() => maskedKey(api, channelId), [api, channelId]);
  const { value, error, isLoading, reload } = useLoaded(load);
  const [failure, setFailure] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const [news, setNews] = useState<string | null>(null);

  const change = useCallback(
    async (what: () => Promise<unknown>, done: string) => {
      setBusy(true);
      setFailure(null);
      try {
        await what();
        setNews(done);
        reload();
        return true;
      } catch (reason) {
        setFailure(reason);
        return false;
      } finally {
        setBusy(false);
      }
    },
    [reload],
  );
  const generate = () =>
    change(
      () => api.generateKey(channelId),
      "Your stream key is ready. Copy it into your encoder.",
    );
  const reset = (choice: ResetStreamKey) =>
    change(
      () => api.resetKey(channelId, choice),
      "A new stream key is in place. Copy it into every encoder that uses this channel.",
    );

  if (error !== null && value === null) return <ErrorNotice error={error} onRetry={reload} />;
  if (value === null) return <div class="field field--waiting" aria-busy={isLoading} />;
  return (
    <div class="stack">
      {value === "none" ? (
        <div class="row row--spread">
          <p class="muted">This channel has no stream key yet.</p>
          <button
            type="button"
            class="button button--main"
            data-testid="generate"
            disabled={isBusy}
            onClick={generate}
          >
            Generate stream key
          </button>
        </div>
      ) : (
        <KeyRow api={api} credential={value} isRunning={isRunning} isBusy={isBusy} reset={reset} />
      )}
      <p class="notice notice--good" role="status" hidden={news === null}>
        {news}
      </p>
      {failure !== null && <ErrorNotice error={failure} />}
    </div>
  );
}

async function maskedKey(api: Api, channelId: string): Promise<MaskedStreamCredential | "none"> {
  try {
    return await api.maskedKey(channelId);
  } catch (error) {
    if (error instanceof Failure && error.code === "no_stream_key") return "none";
    throw error;
  }
}

interface RowProps {
  api: Api;
  credential: MaskedStreamCredential;
  isRunning: boolean;
  isBusy: boolean;
  reset: (choice: ResetStreamKey) => Promise<boolean>;
}

function KeyRow({ api, credential, isRunning, isBusy, reset }: RowProps) {
  const { channelId, maskedKey: masked, createdAt, retiredAt } = credential;
  const { revealed, failure, reveal, hide } = useRevealed(api, credential);
  const [isResetting, setResetting] = useState(false);
  const source = useCallback(
    async () => revealed ?? (await api.revealKey(channelId)).streamKey,
    [api, channelId, revealed],
  );
  const copy = useCopy(source);
  useEffect(copy.dismiss, [masked, copy.dismiss]);

  return (
    <>
      {retiredAt !== null && (
        <p class="notice notice--bad" role="status" data-testid="retired">
          Somebody found this key in public and reported it{" "}
          {moment(Date.parse(retiredAt), Date.now())}. It starts no stream any more: reset it, and
          copy the new one into your encoder.
        </p>
      )}
      <div class="row row--wrap">
        <output
          class={revealed === null ? "field field--code field--masked" : "field field--code"}
          aria-label={revealed === null ? "Stream key, masked" : "Stream key"}
          data-testid={revealed === null ? "masked-key" : "stream-key"}
        >
          {revealed ?? masked}
        </output>
        <div class="row">
          <button
            type="button"
            class="button"
            data-testid={revealed === null ? "reveal" : "hide"}
            onClick={revealed === null ? reveal : hide}
          >
            {revealed === null ? <EyeIcon /> : <EyeOffIcon />}
            {revealed === null ? "Reveal" : "Hide"}
          </button>
          <CopyButton copy={copy} what="stream key" testId="copy" />
        </div>
      </div>
      <CopyFallback copy={copy} what="stream key" />
      {failure !== null && <ErrorNotice error={failure} onRetry={reveal} />}
      <div class="row row--spread">
        <p class="muted small">
          {revealed === null
            ? `Made ${moment(Date.parse(createdAt), Date.now())}. Whoever has it can go live here.`
            : "Hidden again in a minute. Do not show it on a stream."}
        </p>
        <button
          type="button"
          class="button button--quiet"
          data-testid="reset"
          onClick={() => setResetting(true)}
        >
          <ResetIcon />
          Reset key
        </button>
      </div>
      {isResetting && (
        <ResetDialog
          isRunning={isRunning}
          isBusy={isBusy}
          onClose={() => setResetting(false)}
          onConfirm={async (choice) => {
            await reset(choice);
            setResetting(false);
          }}
        />
      )}
    </>
  );
}

/** The key, for as long as it is shown; a reset hides it, because it is another key then. */
function useRevealed(api: Api, { channelId, maskedKey: masked }: MaskedStreamCredential) {
  const [revealed, setRevealed] = useState<string | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const hide = useCallback(() => setRevealed(null), []);
  const reveal = useCallback(() => {
    setFailure(null);
    api.revealKey(channelId).then(({ streamKey }) => setRevealed(streamKey), setFailure);
  }, [api, channelId]);

  useEffect(hide, [masked, hide]);

  useEffect(() => {
    if (revealed === null) return undefined;
    const timer = setTimeout(hide, REVEALED_FOR_MS);
    return () => clearTimeout(timer);
  }, [revealed, hide]);

  return { revealed, failure, reveal, hide };
}
