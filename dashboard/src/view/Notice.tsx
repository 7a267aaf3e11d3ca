import { words } from "../api/failure";

/** What went wrong, in the API's own words where it gave any, and a way to try again. */
export function ErrorNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div class="notice notice--bad" role="alert" data-testid="error">
      <p class="notice__text">{words(error)}</p>
      {onRetry && (
        <button type="button" class="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
