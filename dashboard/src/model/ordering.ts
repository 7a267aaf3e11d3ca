/** Orders every durable change of a channel's status. */
export interface Version {
  gen: number;
  seq: number;
}

/** Below zero where `one` is older than `other`, zero where they are the same version. */
export function compareVersions(one: Version, other: Version): number {
  return one.gen === other.gen ? one.seq - other.seq : one.gen - other.gen;
}
