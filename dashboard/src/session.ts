/**
 * The signed-in user, kept for as long as the tab is open (`sessionStorage`): it survives a reload,
 * not the browser. A stream key is never kept.
 */
export interface Session {
  userId: string;
  token: string;
}

const KEY = "stream-sync.session";

export function storedSession(): Session | null {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return isSession(stored) ? stored : null;
  } catch {
    // Storage is refused or holds something else: the user signs in again.
    return null;
  }
}

export function keepSession(session: Session): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(session));
  } catch {
    // Without storage the session lasts until the next reload.
  }
}

export function forgetSession(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // There was no storage to keep it in.
  }
}

/**
 * Whom a token is of, for the page to show; nobody's word but the token's own, which the API checks.
 * Empty where it does not say so.
 */
export function subjectOf(token: string): string {
  const claims = token.split(".")[1] ?? "";
  try {
    const binary = atob(claims.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown };
    return typeof sub === "string" ? sub : "";
  } catch {
    return "";
  }
}

function isSession(stored: unknown): stored is Session {
  if (typeof stored !== "object" || stored === null) return false;
  const { userId, token } = stored as Partial<Session>;
  return typeof userId === "string" && typeof token === "string";
}
