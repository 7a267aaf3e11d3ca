/** The tally: what is on air, readable from across the room, and the figures of the stream. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { openFindings } from "../model/findings";
import type { Finding } from "../api/shapes";
import {
  bitrate,
  clock,
  codec,
  frameRate,
  moment,
  resolution,
  seconds,
  shortId,
} from "../model/format";
import type { ChannelState } from "../model/live";
import { type Link, type Signal, signalOf } from "../model/signal";
import { Lamp } from "./Lamp";
import { useNow } from "./use-now";

/** A countdown must not skip a second that the eye would miss. */
const COUNTDOWN_TICK_MS = 200;
const CLOCK_TICK_MS = 1_000;

const WORDS: Record<Signal["kind"], string> = {
  connecting: "CONNECTING",
  offline: "OFFLINE",
  live: "LIVE",
  reconnecting: "RECONNECTING",
  unknown: "SIGNAL UNKNOWN",
};

export function StatusCard({ known, link }: { known: ChannelState; link: Link }) {
  const isCounting = known.status?.status === "GRACE";
  const now = useNow(isCounting ? COUNTDOWN_TICK_MS : CLOCK_TICK_MS);
  const signal = signalOf(known, link, now);
  const { kind } = signal;
  usePageTitle(kind, known.channel.name);

  return (
    <section class={`tally tally--${kind}`} aria-label={`Status of ${known.channel.name}`}>
      <div class="tally__state">
        <Lamp signal={signal} />
        <div class="tally__words">
          <p class="tally__word" data-testid="status" data-status={known.status?.status ?? ""}>
            {WORDS[kind]}
          </p>
          <Since signal={signal} now={now} />
        </div>
      </div>
      <Readings
        known={known}
        isLive={kind === "live"}
        findings={kind === "live" ? openFindings(known, now) : []}
      />
      <Announcement kind={kind} name={known.channel.name} />
    </section>
  );
}

function Since({ signal, now }: { signal: Signal; now: number }) {
  switch (signal.kind) {
    case "connecting":
      return <p class="tally__since">Asking for the status…</p>;
    case "live":
      return (
        <p class="tally__since" data-testid="status-since">
          {signal.since !== null && (
            <>
              <span class="tally__clock">{clock(now - signal.since)}</span> since{" "}
              {moment(signal.since, now)}
            </>
          )}
        </p>
      );
    case "offline":
      return (
        <p class="tally__since" data-testid="status-since">
          {signal.since === null ? "Never been live" : `Since ${moment(signal.since, now)}`}
        </p>
      );
    case "reconnecting":
      return (
        <p class="tally__since">
          <span class="tally__clock" data-testid="grace-seconds">
            {signal.secondsLeft}
          </span>{" "}
          s left for the encoder to come back
        </p>
      );
    case "unknown":
      return (
        <p class="tally__since">
          {signal.heardAt === null
            ? "Nothing heard from the server yet"
            : `Nothing heard for ${clock(now - signal.heardAt)}. The stream may well be running.`}
        </p>
      );
  }
}

interface ReadingsProps {
  known: ChannelState;
  isLive: boolean;
  findings: readonly Finding[];
}

function Readings({ known, isLive, findings }: ReadingsProps) {
  const metrics = isLive ? known.metrics : null;
  const edge = known.status?.edgeId ?? null;
  return (
    <div class="tally__readings">
      <dl class={metrics === null ? "readings readings--none" : "readings"}>
        <Reading label="Bitrate" unit="kbit/s" testId="bitrate" size="wide">
          {bitrate(metrics?.bitrateKbps)}
        </Reading>
        <Reading label="Frame rate" unit="fps" testId="fps">
          {frameRate(metrics?.fps)}
        </Reading>
        <Reading label="Resolution" testId="resolution" size="wide">
          {resolution(metrics)}
        </Reading>
        <Reading label="Keyframe every" unit="s" testId="keyframe-interval">
          {seconds(metrics?.keyframeIntervalMs)}
        </Reading>
        <Reading label="Codecs" testId="codecs" size="small">
          {metrics === null ? "–" : `${codec(metrics.videoCodec)} + ${codec(metrics.audioCodec)}`}
        </Reading>
        <Reading label="Edge" testId="edge" size="small">
          <span title={edge ?? undefined}>{edge === null ? "–" : shortId(edge)}</span>
          <span class="readings__unit"> {known.channel.region}</span>
        </Reading>
      </dl>
      {known.status?.status === "OFFLINE" && (
        <p class="tally__advice" data-testid="advice">
          {TO_GO_LIVE}
        </p>
      )}
      {findings.length > 0 && (
        <ul class="tally__findings" data-testid="findings" aria-label="What to change">
          {findings.map(({ code, detail }) => (
            <li key={code} class="tally__advice" data-testid="finding" data-code={code}>
              {detail}
            </li>
          ))}
        </ul>
      )}
      <SpokenFindings findings={findings} isLive={isLive} />
    </div>
  );
}

interface ReadingProps {
  label: string;
  unit?: string;
  testId: string;
  size?: "wide" | "small";
  children: ComponentChildren;
}

function Reading({ label, unit, testId, size, children }: ReadingProps) {
  return (
    <div class={size === undefined ? "reading" : `reading reading--${size}`}>
      <dt>{label}</dt>
      <dd>
        <span data-testid={testId}>{children}</span>
        {unit !== undefined && <span class="readings__unit"> {unit}</span>}
      </dd>
    </div>
  );
}

const TO_GO_LIVE = "To go live, press Start Streaming in your encoder. This card turns red.";

const SPOKEN: Partial<Record<Signal["kind"], string>> = {
  offline: "is offline",
  live: "is live",
  reconnecting: "lost its encoder and waits for it to come back",
  unknown: "has not been heard of: its status is unknown",
};

/** Says each change once; the countdown is not read out second by second. */
function Announcement({ kind, name }: { kind: Signal["kind"]; name: string }) {
  const [spoken, setSpoken] = useState("");
  useEffect(() => {
    const words = SPOKEN[kind];
    if (words !== undefined) setSpoken(`${name} ${words}.`);
  }, [kind, name]);
  return (
    <p class="visually-hidden" role="status" aria-live="polite" data-testid="announcement">
      {spoken}
    </p>
  );
}

/** Says what is newly wrong, once; figures that change in the words are not read out again. */
function SpokenFindings({ findings, isLive }: Omit<ReadingsProps, "known">) {
  const [spoken, setSpoken] = useState("");
  const told = useRef<readonly string[]>([]);
  const codes = findings.map(({ code }) => code).join(" ");
  useEffect(() => {
    const fresh = findings.filter(({ code }) => !told.current.includes(code));
    const isMended = isLive && findings.length === 0 && told.current.length > 0;
    if (isMended) setSpoken("The stream is well again.");
    if (fresh.length > 0) setSpoken(fresh.map(({ detail }) => detail).join(" "));
    told.current = findings.map(({ code }) => code);
  }, [codes, isLive]);
  return (
    <p class="visually-hidden" role="status" aria-live="polite" data-testid="spoken-findings">
      {spoken}
    </p>
  );
}

const ICONS: Record<Signal["kind"], string> = {
  connecting: "/tally-off.svg",
  offline: "/tally-off.svg",
  live: "/tally-live.svg",
  reconnecting: "/tally-wait.svg",
  unknown: "/tally-wait.svg",
};

/** The status is also on the tab, for those who have another one in front. */
function usePageTitle(kind: Signal["kind"], name: string) {
  useEffect(() => {
    document.title = kind === "connecting" ? name : `${WORDS[kind]} · ${name}`;
    document.querySelector("#favicon")?.setAttribute("href", ICONS[kind]);
    return () => {
      document.title = "stream-sync";
      document.querySelector("#favicon")?.setAttribute("href", ICONS.offline);
    };
  }, [kind, name]);
}
