import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Api, developmentToken } from "../api/client";
import { Failure } from "../api/failure";
import type { Config } from "../api/shapes";
import { type Session, subjectOf } from "../session";
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
        <TokenSignIn config={config} onSignedIn={onSignedIn} />
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

interface TokenProps {
  config: Config;
  onSignedIn: (session: Session) => void;
}

/** For a stack that takes an identity provider's tokens: the token is had from there, and pasted. */
function TokenSignIn({ config, onSignedIn }: TokenProps) {
  const [token, setToken] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => field.current?.focus(), []);
  const issuer = config.issuer ?? "its identity provider";

  const signIn = async () => {
    setBusy(true);
    setError(null);
    const pasted = token.trim();
    try {
      // Tried out here, where the API's answer can be read beside the field.
      const api = new Api(new URL(config.apiBase, location.href).href, pasted, () => undefined);
      await api.channels();
      onSignedIn({ userId: subjectOf(pasted), token: pasted });
    } catch (reason) {
      setError(reason);
      setBusy(false);
    }
  };
  return (
    <form
      class="card stack"
      data-testid="oidc"
      onSubmit={(event) => {
        event.preventDefault();
        void signIn();
      }}
    >
      <h1 class="card__title">Sign in with an access token</h1>
      <div class="stack stack--tight">
        <label class="label" for={id}>
          Access token
        </label>
        <input
          id={id}
          ref={field}
          class="field"
          type="password"
          data-testid="token"
          value={token}
          required
          autocomplete="off"
          aria-describedby={`${id}-hint`}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <p id={`${id}-hint`} class="muted small">
          This stack takes tokens of {issuer}
          {config.clientId !== null && ` for the client ${config.clientId}`}. Get one there and
          paste it here; it is kept until this tab is closed. A sign-in that goes there by itself is
          not built yet.
        </p>
      </div>
      {error !== null && (
        <ErrorNotice
          error={
            error instanceof Failure && error.isUnauthenticated
              ? new Failure(
                  `This token is not taken: it must be of ${issuer}, for this stack, and not over.`,
                  error.code,
                  error.status,
                )
              : error
          }
        />
      )}
      <button
        type="submit"
        class="button button--main"
        data-testid="sign-in"
        disabled={isBusy || token.trim() === ""}
      >
        {isBusy ? "Signing in…" : "Sign in"}
      </button>
    </form>
  );
}
