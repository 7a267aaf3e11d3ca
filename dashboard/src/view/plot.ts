/**
 * One line over the last minutes, drawn by uPlot. Colours are read from the style sheet each time
 * it draws, so that a change between light and dark needs nothing but a redraw.
 */
import uPlot from "uplot";
import { WINDOW_SECONDS } from "../model/samples";

export interface Line {
  name: string;
  /** CSS variable of the line. */
  colour: string;
  /** CSS variable of the area under it; none where absent. */
  area?: string;
  /** The least that the scale reaches up to. */
  least: number;
  /** Steps that the marks at the side may have. */
  steps: number[];
  /** Least distance between two of them, in pixels. */
  space: number;
}

/** Plots with the same key show their cursors together. */
const TOGETHER = "last-minutes";
const AXIS_WIDTH_PX = 54;

export class Plot {
  readonly #plot: uPlot;
  readonly #watcher: ResizeObserver;
  readonly #scheme = matchMedia("(prefers-color-scheme: dark)");
  readonly #redraw = () => this.#plot.redraw(false, true);

  constructor(place: HTMLElement, line: Line, onPoint: (index: number | null) => void) {
    this.#plot = new uPlot(options(place, line, onPoint), [[], []], place);
    this.#watcher = new ResizeObserver(() => this.#plot.setSize(size(place)));
    this.#watcher.observe(place);
    this.#scheme.addEventListener("change", this.#redraw);
  }

  /** Draws anew, with `now` (seconds) at the right edge. */
  draw(time: number[], values: (number | null)[], now: number): void {
    this.#plot.batch(() => {
      this.#plot.setData([time, values], false);
      this.#plot.setScale("x", { min: now - WINDOW_SECONDS, max: now });
    });
  }

  remove(): void {
    this.#watcher.disconnect();
    this.#scheme.removeEventListener("change", this.#redraw);
    this.#plot.destroy();
  }
}

function size(place: HTMLElement) {
  return { width: Math.max(1, place.clientWidth), height: Math.max(1, place.clientHeight) };
}

function options(
  place: HTMLElement,
  line: Line,
  onPoint: (index: number | null) => void,
): uPlot.Options {
  const colour = (name: string) => getComputedStyle(place).getPropertyValue(name).trim();
  const ink = () => colour("--muted");
  const grid = { stroke: () => colour("--line"), width: 1 };
  const font = "12px system-ui, sans-serif";
  return {
    ...size(place),
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: {
      y: false,
      sync: { key: TOGETHER },
      drag: { x: false, y: false },
      points: { size: 7, width: 2 },
    },
    scales: {
      x: { time: true },
      y: { range: (_, __, highest) => [0, Math.max(line.least, (highest ?? 0) * 1.15)] },
    },
    axes: [
      {
        stroke: ink,
        grid: { show: false },
        ticks: { show: false },
        font,
        size: 26,
        space: 70,
        values: clockTicks,
      },
      {
        stroke: ink,
        grid,
        ticks: { show: false },
        font,
        size: AXIS_WIDTH_PX,
        space: line.space,
        incrs: line.steps,
      },
    ],
    series: [
      {},
      {
        label: line.name,
        stroke: () => colour(line.colour),
        width: 2,
        points: { show: false },
        ...(line.area === undefined ? {} : { fill: () => colour(line.area ?? "") }),
      },
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}

function clockTicks(_: uPlot, ticks: number[]): string[] {
  const format = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
  return ticks.map((tick) => (tick % 60 === 0 ? format.format(new Date(tick * 1000)) : ""));
}
