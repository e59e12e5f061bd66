import { allocateTraffic } from "../../base/traffic/traffic-memory.ts";
import { DEFAULT_TRAFFIC, type TrafficSettings } from "../../base/traffic/traffic-settings.ts";

/** What has passed the data plane since the process began, and lately. */
export interface TrafficStats {
  readonly settings: TrafficSettings;
}

/** Lends workers the memory that they count in, reads it while they do, and keeps what those have counted that are gone. */
export class TrafficKeeper implements TrafficStats {
  readonly settings: TrafficSettings;

  constructor(settings: TrafficSettings = DEFAULT_TRAFFIC) {
    this.settings = settings;
  }

  /** Memory for one worker, which alone writes it; null when nothing is counted. */
  lend(): SharedArrayBuffer | null {
    const { enabled, top } = this.settings;
    return enabled ? allocateTraffic(512, top) : null;
  }

  /** Its worker is gone. */
  takeBack(_memory: SharedArrayBuffer | null): void {}

  stop(): void {}
}
