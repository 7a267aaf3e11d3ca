import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { bitrate, frameRate } from "../model/format";
import type { ChannelState } from "../model/live";
import { type Columns, toColumns, WINDOW_SECONDS } from "../model/samples";
import { SILENCE_MS } from "../model/signal";
import { type Line, Plot } from "./plot";
import { useNow } from "./use-now";

const BITRATE: Line = {
  name: "Bitrate",
  colour: "--chart-bitrate",
  area: "--chart-bitrate-area",
  least: 500,
  steps: [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000],
  space: 48,
};
const FRAME_RATE: Line = {
  name: "Frame rate",
  colour: "--chart-fps",
  least: 30,
  steps: [15, 30, 60, 120],
  space: 26,
};

/** Bitrate and frame rate of the last minutes, one above the other on the same time. */
export function Charts({ known }: { known: ChannelState }) {
  const columns = useMemo(() => toColumns(known.samples), [known.samples]);
  const edgeNow = (useNow(1_000) + known.clockOffset) / 1000;
  const newest = columns.time.at(-1);
  const isEmpty = newest === undefined || newest < edgeNow - WINDOW_SECONDS;
  const isFresh = newest !== undefined && edgeNow - newest < SILENCE_MS / 1000;
  const shared = { time: columns.time, now: edgeNow, isFresh };
  return (
    <div class={isEmpty ? "charts charts--empty" : "charts"}>
      <Chart {...shared} line={BITRATE} values={columns.bitrateKbps} format={kbps} height="tall" />
      <Chart {...shared} line={FRAME_RATE} values={columns.fps} format={fps} height="low" />
      {isEmpty && <p class="charts__none">No stream in the last five minutes</p>}
    </div>
  );
}

const kbps = (value: number) => `${bitrate(value)} kbit/s`;
const fps = (value: number) => `${frameRate(value)} fps`;

interface ChartProps {
  line: Line;
  time: Columns["time"];
  values: (number | null)[];
  now: number;
  /** Whether the last value may be shown as the present one. */
  isFresh: boolean;
  format: (value: number) => string;
  height: "tall" | "low";
}

function Chart({ line, time, values, now, isFresh, format, height }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);

  useEffect(() => {
    if (place.current === null) return undefined;
    const made = new Plot(place.current, line, setPointed);
    plot.current = made;
    return () => made.remove();
  }, [line]);
  useEffect(() => plot.current?.draw(time, values, now), [time, values, now]);

  const value = pointed === null ? (isFresh ? values.at(-1) : null) : values[pointed];
  return (
    <figure class="chart">
      <figcaption class="chart__head">
        <span class={`chart__name chart__name--${height}`}>{line.name}</span>
        <span class="chart__value">{value == null ? "" : format(value)}</span>
      </figcaption>
      <div
        ref={place}
        class={`chart__plot chart__plot--${height}`}
        role="img"
        aria-label={summary(line.name, values, format)}
      />
    </figure>
  );
}

function summary(
  name: string,
  values: readonly (number | null)[],
  format: (value: number) => string,
): string {
  const seen = values.filter((value) => value !== null);
  const last = seen.at(-1);
  if (last === undefined) return `${name} of the last five minutes: no stream`;
  const [low, high] = [Math.min(...seen), Math.max(...seen)];
  return `${name} of the last five minutes: now ${format(last)}, between ${format(low)} and ${format(high)}`;
}
