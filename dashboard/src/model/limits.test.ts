import { describe, expect, test } from "vitest";
import type { Channel, Limits } from "../api/shapes";
import { consequence, limitsInWords, toForm, toUpdate } from "./limits";

const channel = (limits: Limits | null): Channel => ({
  id: "a",
  userId: "demo",
  name: "A",
  graceSeconds: 10,
  limits,
  region: "local",
  createdAt: "2030-01-02T03:04:05Z",
  isLive: false,
  lastLiveAt: null,
  ingestServerId: null,
  hasStreamKey: true,
  holdUntil: null,
});
const LIMITED = channel({
  allowedNetworks: ["192.0.2.0/24", "2001:db8::/32"],
  maximumBitrateKbps: 6000,
  maximumResolution: "1920x1080",
});
const FREE = channel({
  allowedNetworks: [],
  maximumBitrateKbps: null,
  maximumResolution: null,
});

describe("the form", () => {
  test("it shows what there is, and an untouched one changes nothing", () => {
    const form = toForm(LIMITED);
    expect(form).toEqual({
      networks: "192.0.2.0/24\n2001:db8::/32",
      bitrate: "6000",
      resolution: "1920x1080",
      grace: "10",
    });
    expect(toUpdate(form, toForm(LIMITED))).toBeNull();
    expect(toUpdate(toForm(FREE), toForm(FREE))).toBeNull();
  });

  test("only what was changed is sent", () => {
    const before = toForm(LIMITED);
    expect(toUpdate({ ...before, bitrate: " 4500 " }, before)).toEqual({
      limits: { maximumBitrateKbps: 4500 },
    });
    expect(toUpdate({ ...before, grace: "20" }, before)).toEqual({ graceSeconds: 20 });
    expect(toUpdate({ ...before, resolution: "1280 × 720" }, before)).toEqual({
      limits: { maximumResolution: "1280x720" },
    });
    const networks = "192.0.2.7, 198.51.100.0/24;\n\n2001:db8::1 ";
    expect(toUpdate({ ...before, networks }, before)).toEqual({
      limits: { allowedNetworks: ["192.0.2.7", "198.51.100.0/24", "2001:db8::1"] },
    });
  });

  test("an empty field limits no more", () => {
    const before = toForm(LIMITED);
    expect(toUpdate({ ...before, networks: " \n", bitrate: "", resolution: " " }, before)).toEqual({
      limits: { allowedNetworks: [], maximumBitrateKbps: null, maximumResolution: null },
    });
  });

  test("what is no whole number is left to the API to refuse, never taken for no limit", () => {
    const before = toForm(FREE);
    for (const bitrate of ["many", "-1", "1.5", "6e3", "99999999999"]) {
      expect(toUpdate({ ...before, bitrate }, before)).toEqual({
        limits: { maximumBitrateKbps: 0 },
      });
    }
    expect(toUpdate({ ...before, grace: "" }, before)).toEqual({ graceSeconds: 0 });
  });
});

describe("words", () => {
  test("they say what a channel takes", () => {
    expect(limitsInWords(LIMITED)).toEqual([
      "From 192.0.2.0/24, 2001:db8::/32 only",
      "Up to 6000 kbit/s",
      "Up to 1920×1080",
      "10 s to come back after a drop",
    ]);
    expect(limitsInWords(FREE).slice(0, 3)).toEqual([
      "From anywhere",
      "Any bitrate",
      "Any resolution",
    ]);
    expect(limitsInWords(channel(null))).toEqual([]);
  });

  test("they say what becomes of a running stream, where one runs", () => {
    expect(consequence(true)).toContain("it ends, and the encoder is told why");
    expect(consequence(false)).toBeNull();
  });
});
