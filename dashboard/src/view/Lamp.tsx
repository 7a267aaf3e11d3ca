import type { Signal } from "../model/signal";

const RADIUS = 26;
const ROUND = 2 * Math.PI * RADIUS;

/** Each status has a shape of its own, so that it does not hang on the colour alone. */
export function Lamp({ signal }: { signal: Signal }) {
  return (
    <svg class={`lamp lamp--${signal.kind}`} viewBox="0 0 64 64" aria-hidden="true">
      <circle class="lamp__ring" cx="32" cy="32" r={RADIUS} />
      {signal.kind === "reconnecting" && (
        <circle
          class="lamp__left"
          cx="32"
          cy="32"
          r={RADIUS}
          stroke-dasharray={ROUND}
          stroke-dashoffset={ROUND * (1 - signal.fractionLeft)}
          transform="rotate(-90 32 32)"
        />
      )}
      {signal.kind === "unknown" ? (
        <text class="lamp__sign" x="32" y="41" text-anchor="middle">
          ?
        </text>
      ) : (
        <circle class="lamp__core" cx="32" cy="32" r="13" />
      )}
    </svg>
  );
}
