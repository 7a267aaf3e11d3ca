import { useCallback, useEffect, useState } from "preact/hooks";
import type { ChannelState } from "../model/live";

/** The channel that the address names after `#`, else the first: a link or a reload keeps it. */
export function useSelected(
  channels: readonly ChannelState[],
): [ChannelState | null, (channelId: string) => void] {
  const [wanted, setWanted] = useState(fromAddress);
  useEffect(() => {
    const changed = () => setWanted(fromAddress());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  const select = useCallback((channelId: string) => {
    location.hash = encodeURIComponent(channelId);
    setWanted(channelId);
  }, []);
  const selected = channels.find(({ channel }) => channel.id === wanted) ?? channels[0] ?? null;
  return [selected, select];
}

function fromAddress(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}
