import { useEffect, useId, useRef, useState } from "preact/hooks";
import { developmentToken } from "../api/client";
import type { Config } from "../api/shapes";
import type { Session } from "../session";
import { ErrorNotice } from "./Notice";
import { Wordmark } from "./Wordmark";

/** The user for whom the local stack makes a channel at its start. */
const DEMO_USER = "demo";

interface Props {
  config: Config;
  isExpired: boolean;
  onSignedIn: (session: Session) => void;
}

export function SignIn({ config, isExpired, onSignedIn }: Props) {
  return (
    <main class="gate">
      <Wordmark />
      {isExpired && (
        <p class="notice notice--wait" role="status" data-testid="expired">
          Your session has ended. Sign in again to go on.
        </p>
      )}
      {config.login === "dev" ? (
        <DevelopmentSignIn apiBase={config.apiBase} onSignedIn={onSignedIn} />
      ) : (
        <p class="notice notice--wait" data-testid="oidc">
          This deployment signs people in at {config.issuer ?? "its identity provider"}. That
          sign-in comes with the AWS templates and is not built yet: use the API with a token of
          that provider for now.
        </p>
      )}
    </main>
  );
}

interface DevelopmentProps {
  apiBase: string;
  onSignedIn: (session: Session) => void;
}

function DevelopmentSignIn({ apiBase, onSignedIn }: DevelopmentProps) {
  const [userId, setUserId] = useState(DEMO_USER);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => field.current?.select(), []);

  const signIn = async () => {
    setBusy(true);
    setError(null);
    try {
      const name = userId.trim();
      onSignedIn({ userId: name, token: await developmentToken(apiBase, name) });
    } catch (reason) {
      setError(reason);
      setBusy(false);
    }
  };
  return (
    <form
      class="card stack"
      onSubmit={(event) => {
        event.preventDefault();
        void signIn();
      }}
    >
      <h1 class="card__title">Sign in to the local stack</h1>
      <div class="stack stack--tight">
        <label class="label" for={id}>
          User id
        </label>
        <input
          id={id}
          ref={field}
          class="field"
          data-testid="user-id"
          value={userId}
          required
          maxLength={128}
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          onInput={(event) => setUserId(event.currentTarget.value)}
        />
        <p class="muted small">
          No password: this works on your own machine only. “{DEMO_USER}” has a channel ready.
        </p>
      </div>
      {error !== null && <ErrorNotice error={error} />}
      <button
        type="submit"
        class="button button--main"
        data-testid="sign-in"
        disabled={isBusy || userId.trim() === ""}
      >
        {isBusy ? "Signing in…" : "Sign in"}
      </button>
    </form>
  );
}
