/** What is counted of the traffic that passes, and how closely. Plain data. */
export interface TrafficSettings {
  /** False: nothing. */
  readonly enabled: boolean;
  /** Clients and paths that each thread keeps apart, 0 to 4096; 0: they aren't looked at. */
  readonly top: number;
}

export const DEFAULT_TRAFFIC: TrafficSettings = { enabled: true, top: 256 };
