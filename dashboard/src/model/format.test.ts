import { describe, expect, test } from "vitest";
import {
  bitrate,
  clock,
  codec,
  duration,
  endReason,
  frameRate,
  localTimes,
  moment,
  resolution,
  seconds,
} from "./format";
import { refusalTitle } from "./refusals";
import { consequence } from "./reset";

const PLACE = { locale: "en-GB", timeZone: "Europe/Berlin" };
const NOW = Date.parse("2030-07-02T20:30:00Z");

describe("figures", () => {
  test("what is not known is a dash, and zero is zero", () => {
    expect([bitrate(null), frameRate(null), seconds(null), codec(null)]).toEqual([
      "–",
      "–",
      "–",
      "–",
    ]);
    expect(bitrate(0, PLACE)).toBe("0");
    expect(resolution({ width: 640, height: null })).toBe("–");
  });

  test("they are grouped and rounded as people read them", () => {
    expect(bitrate(12_345, PLACE)).toBe("12,345");
    expect([29.97, 30, 59.9401].map((fps) => frameRate(fps, PLACE))).toEqual([
      "29.97",
      "30",
      "59.94",
    ]);
    expect(seconds(8_340, PLACE)).toBe("8.3");
    expect(resolution({ width: 1920, height: 1080 })).toBe("1920×1080");
    expect([codec("h264"), codec("something-new")]).toEqual(["H.264", "something-new"]);
  });
});

describe("times", () => {
  test("a running clock shows hours only when there are any and never goes below zero", () => {
    expect([-5, 0, 249_999, 3_849_000, 97_449_000].map(clock)).toEqual([
      "00:00",
      "00:00",
      "04:09",
      "1:04:09",
      "27:04:09",
    ]);
  });

  test("a duration is said in the unit that fits", () => {
    expect([4_200, 60_000, 3_599_000, 3_840_000].map(duration)).toEqual([
      "4 s",
      "1 min",
      "1 h 00 min",
      "1 h 04 min",
    ]);
  });

  test("a moment of today has no day, one of another year has its year", () => {
    const said = (text: string) => moment(Date.parse(text), NOW, PLACE);
    expect(said("2030-07-02T18:05:00Z")).toBe("20:05");
    expect(said("2030-07-01T18:05:00Z")).toBe("1 Jul, 20:05");
    expect(said("2029-07-02T18:05:00Z")).toBe("2 Jul 2029, 20:05");
  });

  test("today is the reader's day, not the day in UTC", () => {
    expect(moment(Date.parse("2030-07-01T22:30:00Z"), NOW, PLACE)).toBe("00:30");
  });

  test("times in the server's sentences are put into the reader's zone", () => {
    expect(localTimes("Live since 2030-07-02T18:05:00.123Z. Stop it.", NOW, PLACE)).toBe(
      "Live since 20:05. Stop it.",
    );
  });
});

describe("words", () => {
  test("codes that this page does not know are still readable", () => {
    expect(endReason("no_media")).toBe("No media arrived");
    expect(endReason("taken_over")).toBe("taken over");
    expect(endReason(null)).toBe("–");
    expect(refusalTitle("some_new_code")).toBe("some new code");
  });

  test("the reset says what happens to the running stream for each choice", () => {
    const said = (disconnectLive: boolean, overlapSeconds: number) =>
      consequence({ isRunning: true, disconnectLive, overlapSeconds });
    expect(said(true, 0)).toContain("ends within a second. It can only come back with the new key");
    expect(said(true, 600)).toContain("can come back until that time is over");
    expect(said(false, 0)).toContain("goes on until it stops or drops");
    expect(consequence({ isRunning: false, disconnectLive: true, overlapSeconds: 0 })).toBeNull();
  });
});
