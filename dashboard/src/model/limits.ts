/** A channel's limits and grace, as the form shows them and as a change of them is sent. */
import type { Channel, UpdateChannel } from "../api/shapes";

/** What the fields hold. */
export interface LimitsForm {
  /** One network a line. */
  networks: string;
  bitrate: string;
  resolution: string;
  grace: string;
}

/** The API's names for the fields, as its problems have them. */
export const FIELDS: Record<keyof LimitsForm, string> = {
  networks: "limits.allowedNetworks",
  bitrate: "limits.maximumBitrateKbps",
  resolution: "limits.maximumResolution",
  grace: "graceSeconds",
};

/** Above this many digits nothing is a number that the API reads. */
const MOST_DIGITS = 9;

export function toForm({ limits, graceSeconds }: Channel): LimitsForm {
  return {
    networks: (limits?.allowedNetworks ?? []).join("\n"),
    bitrate: String(limits?.maximumBitrateKbps ?? ""),
    resolution: limits?.maximumResolution ?? "",
    grace: String(graceSeconds),
  };
}

/**
 * What the form changes; null where it changes nothing. A field that was left as it was is not sent, so
 * that it takes nothing back that was changed elsewhere meanwhile.
 */
export function toUpdate(form: LimitsForm, before: LimitsForm): UpdateChannel | null {
  const update: UpdateChannel = {};
  const limits: UpdateChannel["limits"] = {};
  if (form.networks.trim() !== before.networks.trim()) {
    limits.allowedNetworks = form.networks.split(/[\s,;]+/).filter((network) => network !== "");
  }
  if (form.bitrate.trim() !== before.bitrate.trim()) {
    limits.maximumBitrateKbps = form.bitrate.trim() === "" ? null : wholeNumber(form.bitrate);
  }
  const resolution = form.resolution.trim().replace(/\s*[×xX*]\s*/, "x");
  if (resolution !== before.resolution.trim()) {
    limits.maximumResolution = resolution === "" ? null : resolution;
  }
  if (Object.keys(limits).length > 0) update.limits = limits;
  if (form.grace.trim() !== before.grace.trim()) update.graceSeconds = wholeNumber(form.grace);
  return Object.keys(update).length > 0 ? update : null;
}

/** What is no whole number becomes 0, which the API refuses with the bounds of the field. */
function wholeNumber(text: string): number {
  const digits = text.trim();
  return /^\d+$/.test(digits) && digits.length <= MOST_DIGITS ? Number(digits) : 0;
}

/** What a channel takes, in a sentence each. */
export function limitsInWords({ limits, graceSeconds }: Channel): string[] {
  if (limits === null) return [];
  const { allowedNetworks, maximumBitrateKbps, maximumResolution } = limits;
  return [
    allowedNetworks.length === 0 ? "From anywhere" : `From ${allowedNetworks.join(", ")} only`,
    maximumBitrateKbps === null ? "Any bitrate" : `Up to ${maximumBitrateKbps} kbit/s`,
    maximumResolution === null ? "Any resolution" : `Up to ${maximumResolution.replace("x", "×")}`,
    `${graceSeconds} s to come back after a drop`,
  ];
}

/** What saving does to a stream; null while none runs. */
export function consequence(isRunning: boolean): string | null {
  return isRunning
    ? "The running stream is judged by these limits within seconds: if it comes from elsewhere or is too large, it ends, and the encoder is told why. It keeps the grace that it began with."
    : null;
}
