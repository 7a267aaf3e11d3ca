/** Numbers, times and codes as people read them. Pure: moment, locale and zone are arguments. */
import type { Metrics } from "../api/shapes";

const NONE = "–";

export interface Place {
  locale?: string | undefined;
  timeZone?: string | undefined;
}

export function bitrate(kbps: number | null | undefined, place: Place = {}): string {
  return kbps == null ? NONE : new Intl.NumberFormat(place.locale).format(kbps);
}

/** At most two decimals: 29.97 stays, 30 gets no decimals. */
export function frameRate(fps: number | null | undefined, place: Place = {}): string {
  if (fps == null) return NONE;
  return new Intl.NumberFormat(place.locale, { maximumFractionDigits: 2 }).format(fps);
}

export function resolution(metrics: Pick<Metrics, "width" | "height"> | null): string {
  if (metrics === null || metrics.width === null || metrics.height === null) return NONE;
  return `${metrics.width}×${metrics.height}`;
}

export function seconds(millis: number | null | undefined, place: Place = {}): string {
  if (millis == null) return NONE;
  const format = new Intl.NumberFormat(place.locale, {
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });
  return format.format(millis / 1000);
}

const CODECS: Record<string, string> = {
  h264: "H.264",
  hevc: "HEVC",
  av1: "AV1",
  vp9: "VP9",
  aac: "AAC",
  opus: "Opus",
  mp3: "MP3",
  ac3: "AC-3",
  eac3: "E-AC-3",
  flac: "FLAC",
};

export function codec(name: string | null | undefined): string {
  return name == null ? NONE : (CODECS[name] ?? name);
}

/** A running clock: `04:09`, `1:04:09`, `27:04:09`. */
export function clock(millis: number): string {
  const whole = Math.max(0, Math.floor(millis / 1000));
  const hours = Math.floor(whole / 3600);
  const minutes = String(Math.floor((whole % 3600) / 60)).padStart(2, "0");
  const rest = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${minutes}:${rest}` : `${minutes}:${rest}`;
}

/** How long something took: `4 s`, `12 min`, `1 h 04 min`. */
export function duration(millis: number): string {
  const whole = Math.max(0, Math.round(millis / 1000));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** A moment: the time alone when it is today, else with its day, and its year when it is another. */
export function moment(millis: number, now: number, place: Place = {}): string {
  const date = new Date(millis);
  const day = (year: "numeric" | undefined) =>
    new Intl.DateTimeFormat(place.locale, {
      month: "short",
      day: "numeric",
      year,
      timeZone: place.timeZone,
    });
  const year = new Intl.DateTimeFormat(place.locale, {
    year: "numeric",
    timeZone: place.timeZone,
  });
  const present = new Date(now);
  const time = new Intl.DateTimeFormat(place.locale, {
    timeStyle: "short",
    timeZone: place.timeZone,
  });
  const isThisYear = year.format(date) === year.format(present);
  const isToday = isThisYear && day(undefined).format(date) === day(undefined).format(present);
  if (isToday) return time.format(date);
  return `${day(isThisYear ? undefined : "numeric").format(date)}, ${time.format(date)}`;
}

const RFC_3339 = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z/g;

/** Puts the reader's own time in place of each UTC time in a sentence of the server's. */
export function localTimes(sentence: string, now: number, place: Place = {}): string {
  return sentence.replace(RFC_3339, (text) => moment(Date.parse(text), now, place));
}

/** The first characters of a random id: enough to tell two apart at a glance. */
export function shortId(id: string): string {
  return id.length > 14 ? `${id.slice(0, 13)}…` : id;
}

const REASONS: Record<string, string> = {
  unpublished: "Stopped in the encoder",
  dropped: "Connection lost",
  revoked: "Stream key was reset",
  disconnected: "Disconnected by the owner",
  shutdown: "Edge was shut down",
  no_media: "No media arrived",
};

/** Why a session ended; an unknown word is shown as it is. */
export function endReason(reason: string | null): string {
  return reason === null ? NONE : (REASONS[reason] ?? reason.replaceAll("_", " "));
}

export function count(times: number): string {
  return times === 1 ? "once" : `${times} times`;
}
