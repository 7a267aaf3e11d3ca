/** The name of the product, with its sign: two waves that meet. */
export function Wordmark() {
  return (
    <p class="wordmark">
      <svg class="wordmark__sign" viewBox="0 0 28 20" aria-hidden="true">
        <path d="M2 10c4-10 8-10 12 0s8 10 12 0" />
        <path d="M2 10c4 10 8 10 12 0s8-10 12 0" />
      </svg>
      stream-sync
    </p>
  );
}
