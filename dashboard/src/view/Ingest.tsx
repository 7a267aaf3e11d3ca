import { useCallback, useEffect } from "preact/hooks";
import type { Api } from "../api/client";
import type { IngestEndpoint } from "../api/shapes";
import { CopyButton, CopyFallback } from "./Copy";
import { ErrorNotice } from "./Notice";
import { useCopy } from "./use-copy";
import { useLoaded } from "./use-loaded";

/** How often the list is fetched again, in milliseconds: full and dead edges leave it. */
const RELOAD_EVERY_MS = 15_000;

/** Where an encoder can send to, nearest first. */
export function Ingest({ api }: { api: Api }) {
  const load = useCallback(() => api.ingestEndpoints(), [api]);
  const { value, error, isLoading, reload } = useLoaded(load);

  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") reload();
    }, RELOAD_EVERY_MS);
    return () => clearInterval(timer);
  }, [reload]);

  if (value === null && error !== null) return <ErrorNotice error={error} onRetry={reload} />;
  if (value === null) return <div class="field field--waiting" aria-busy={isLoading} />;
  if (value.length === 0) {
    return (
      <p class="notice notice--wait" data-testid="no-ingest">
        No ingest edge takes streams at the moment: all are full, draining or down. This list renews
        itself.
      </p>
    );
  }
  return (
    <ul class="endpoints">
      {value.map((endpoint, index) => (
        <Endpoint
          key={endpoint.name}
          endpoint={endpoint}
          isNearest={index === 0 && value.length > 1}
        />
      ))}
    </ul>
  );
}

function Endpoint({ endpoint, isNearest }: { endpoint: IngestEndpoint; isNearest: boolean }) {
  const { name, region, rtmpUrl, rtmpsUrl, load } = endpoint;
  return (
    <li class="endpoint">
      <p class="endpoint__head small">
        <span class="endpoint__name">{name}</span>
        <span class="muted">{region}</span>
        {isNearest && <span class="tag">nearest</span>}
        <span class="endpoint__load muted">
          <meter min={0} max={1} high={0.85} value={load} aria-label={`Load of ${name}`} />
          {Math.round(load * 100)} %
        </span>
      </p>
      <Address url={rtmpUrl} what={`RTMP address of ${name}`} testId="ingest-url" />
      {rtmpsUrl !== null && (
        <Address url={rtmpsUrl} what={`RTMPS address of ${name}`} testId="ingest-url-secure" />
      )}
    </li>
  );
}

function Address({ url, what, testId }: { url: string; what: string; testId: string }) {
  const source = useCallback(() => Promise.resolve(url), [url]);
  const copy = useCopy(source);
  return (
    <>
      <div class="row">
        <output class="field field--code" aria-label={what} data-testid={testId}>
          {url}
        </output>
        <CopyButton copy={copy} what={what} testId={`copy-${testId}`} />
      </div>
      <CopyFallback copy={copy} what="address" />
    </>
  );
}
