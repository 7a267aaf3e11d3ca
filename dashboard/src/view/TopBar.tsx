import type { ChannelState } from "../model/live";
import type { Phase } from "../socket";
import { PlusIcon } from "./icons";
import { Wordmark } from "./Wordmark";

const PHASES: Record<Phase, string> = {
  connecting: "Connecting…",
  open: "Connected",
  waiting: "No connection, trying again",
  stopped: "Not connected",
};

interface Props {
  channels: readonly ChannelState[];
  selected: ChannelState | null;
  onSelect: (channelId: string) => void;
  onAdd: () => void;
  phase: Phase;
  userId: string;
  onSignOut: () => void;
}

export function TopBar({ channels, selected, onSelect, onAdd, phase, userId, onSignOut }: Props) {
  return (
    <header class="bar">
      <Wordmark />
      {selected !== null && (
        <div class="bar__channel">
          {channels.length > 1 ? (
            <select
              class="field field--quiet"
              aria-label="Channel"
              data-testid="channel"
              value={selected.channel.id}
              onChange={(event) => onSelect(event.currentTarget.value)}
            >
              {channels.map(({ channel, status }) => (
                <option key={channel.id} value={channel.id}>
                  {channel.name}
                  {status?.status === "LIVE" ? " (live)" : ""}
                </option>
              ))}
            </select>
          ) : (
            <h1 class="bar__name">{selected.channel.name}</h1>
          )}
          <button type="button" class="button button--quiet button--icon" onClick={onAdd}>
            <PlusIcon />
            <span class="visually-hidden">Add a channel</span>
          </button>
        </div>
      )}
      <p class={`bar__link bar__link--${phase}`} data-testid="link" data-phase={phase}>
        {PHASES[phase]}
      </p>
      <p class="bar__user">
        <span class="muted">{userId}</span>
        <button type="button" class="button button--quiet" onClick={onSignOut}>
          Sign out
        </button>
      </p>
    </header>
  );
}
