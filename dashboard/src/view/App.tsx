import { useCallback, useMemo, useState } from "preact/hooks";
import { Api, loadConfig } from "../api/client";
import type { Config } from "../api/shapes";
import { forgetSession, keepSession, type Session, storedSession } from "../session";
import { Dashboard } from "./Dashboard";
import { ErrorNotice } from "./Notice";
import { SignIn } from "./SignIn";
import { useLoaded } from "./use-loaded";

/** Reads the configuration, then shows the sign-in or the dashboard. */
export function App() {
  const load = useCallback(() => loadConfig(), []);
  const { value, error, reload } = useLoaded(load);
  if (value !== null) return <Gate config={value} />;
  return (
    <main class="gate">
      {error === null ? (
        <p class="muted" aria-busy="true">
          Loading…
        </p>
      ) : (
        <ErrorNotice error={error} onRetry={reload} />
      )}
    </main>
  );
}

function Gate({ config }: { config: Config }) {
  const [session, setSession] = useState<Session | null>(storedSession);
  const [isExpired, setExpired] = useState(false);
  const token = session?.token ?? null;
  const end = useCallback((expired: boolean) => {
    forgetSession();
    setExpired(expired);
    setSession(null);
  }, []);
  const api = useMemo(() => {
    if (token === null) return null;
    return new Api(new URL(config.apiBase, location.href).href, token, () => end(true));
  }, [config, token, end]);

  if (session === null || api === null) {
    return (
      <SignIn
        config={config}
        isExpired={isExpired}
        onSignedIn={(signedIn) => {
          keepSession(signedIn);
          setExpired(false);
          setSession(signedIn);
        }}
      />
    );
  }
  return (
    <Dashboard
      key={session.token}
      api={api}
      config={config}
      userId={session.userId}
      onSignOut={() => end(false)}
    />
  );
}
