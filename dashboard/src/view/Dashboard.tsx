import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import type { Api } from "../api/client";
import type { Config } from "../api/shapes";
import type { ChannelState } from "../model/live";
import type { Link } from "../model/signal";
import { Charts } from "./Charts";
import { Events } from "./Events";
import { History } from "./History";
import { Hold } from "./Hold";
import { Ingest } from "./Ingest";
import { Limits } from "./Limits";
import { Modal } from "./Modal";
import { NewChannel } from "./NewChannel";
import { ErrorNotice } from "./Notice";
import { Refused } from "./Refused";
import { StatusCard } from "./StatusCard";
import { StreamKey } from "./StreamKey";
import { TopBar } from "./TopBar";
import { type Live, useLive } from "./use-live";
import { useSelected } from "./use-selected";

interface Props {
  api: Api;
  config: Config;
  userId: string;
  onSignOut: () => void;
}

export function Dashboard({ api, config, userId, onSignOut }: Props) {
  const live = useLive(api, config.websocketUrl);
  const { channels } = live.state;
  const [selected, select] = useSelected(channels);
  const [isAdding, setAdding] = useState(false);

  const onCreated = async (channelId: string) => {
    setAdding(false);
    await live.refresh();
    select(channelId);
  };
  return (
    <>
      <TopBar
        channels={channels}
        selected={selected}
        onSelect={select}
        onAdd={() => setAdding(true)}
        phase={live.phase}
        userId={userId}
        onSignOut={onSignOut}
      />
      <main class="main">
        <Content api={api} live={live} selected={selected} onCreated={onCreated} />
      </main>
      {isAdding && (
        <Modal title="Add a channel" testId="add-channel" onClose={() => setAdding(false)}>
          <NewChannel api={api} onCreated={onCreated} onCancel={() => setAdding(false)} />
        </Modal>
      )}
    </>
  );
}

interface ContentProps {
  api: Api;
  live: Live;
  selected: ChannelState | null;
  onCreated: (channelId: string) => void;
}

function Content({ api, live, selected, onCreated }: ContentProps) {
  const { state, failure, link, refresh } = live;
  if (!state.isLoaded && failure !== null) {
    return <ErrorNotice error={failure} onRetry={() => void refresh()} />;
  }
  if (!state.isLoaded) {
    return (
      <p class="empty" aria-busy="true">
        Loading your channels…
      </p>
    );
  }
  if (selected === null) {
    return (
      <section class="card card--first stack" data-testid="no-channel">
        <h1 class="card__title">Make your first channel</h1>
        <p>
          A channel is what you go live on: it has a stream key, a status and a history. Most people
          need one.
        </p>
        <NewChannel api={api} onCreated={onCreated} />
      </section>
    );
  }
  const refusals = state.refusals.filter((each) => each.channelId === selected.channel.id);
  return (
    <>
      {failure !== null && <ErrorNotice error={failure} onRetry={() => void refresh()} />}
      <ChannelView
        key={selected.channel.id}
        {...{ api, selected, link, refresh }}
        events={
          <Events
            api={api}
            channelId={selected.channel.id}
            log={state.logs[selected.channel.id]}
            dispatch={live.dispatch}
            connectedSince={link.since}
          />
        }
      >
        <Card title="Refused attempts" area="refused" count={refusals.length}>
          <Refused refusals={refusals} />
        </Card>
      </ChannelView>
    </>
  );
}

interface ChannelProps {
  api: Api;
  selected: ChannelState;
  link: Link;
  refresh: () => Promise<void>;
  events: ComponentChildren;
  children: ComponentChildren;
}

function ChannelView({ api, selected, link, refresh, events, children }: ChannelProps) {
  const { channel, status } = selected;
  const isRunning = status?.status === "LIVE" || status?.status === "GRACE";
  return (
    <div class="board">
      <StatusCard known={selected} link={link} />
      <Card title="Last five minutes" area="charts">
        <Charts known={selected} />
      </Card>
      <Card title="Set up your encoder" area="encoder">
        <p class="muted small">
          In OBS: Settings › Stream › Service “Custom…”, then paste a server and the key.
        </p>
        <h3 class="label">Server</h3>
        <Ingest api={api} />
        <h3 class="label">Stream key</h3>
        <StreamKey api={api} channelId={channel.id} isRunning={isRunning} />
        <h3 class="label">Access</h3>
        <Hold api={api} channel={channel} isRunning={isRunning} onChanged={refresh} />
        <h3 class="label">Limits</h3>
        <Limits api={api} channel={channel} isRunning={isRunning} onChanged={refresh} />
      </Card>
      {children}
      <Card title="Broadcasts" area="history">
        <History
          api={api}
          channelId={channel.id}
          version={status === null ? "" : `${status.gen}.${status.seq}`}
        />
        <h3 class="label">Events</h3>
        {events}
      </Card>
    </div>
  );
}

interface CardProps {
  title: string;
  area: string;
  count?: number;
  children: ComponentChildren;
}

function Card({ title, area, count, children }: CardProps) {
  const heading = useId();
  return (
    <section class={`card card--${area}`} aria-labelledby={heading}>
      <h2 id={heading} class="card__title">
        {title}
        {count !== undefined && count > 0 && <span class="tag tag--wait">{count}</span>}
      </h2>
      {children}
    </section>
  );
}
