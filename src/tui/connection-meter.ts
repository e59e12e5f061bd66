import type { ConnectionState } from "../proxy/stream-proxy.ts";
import { Traffic } from "./traffic.ts";

/** A connection with what the last looks at it tell. */
export interface MeteredConnection extends ConnectionState {
  /** Bytes a second, both ways together. */
  readonly rate: number;
  /** The same over the last looks, oldest first. */
  readonly history: readonly number[];
}

/** Bytes a second in one direction, of all connections together. */
export type Flow = Pick<Traffic, "rate" | "history">;

/** As many samples as the widest sparkline shows. */
const KEPT_IN_ALL = 120;
const KEPT_FOR_EACH = 12;

const NOTHING = { bytesUp: 0, bytesDown: 0 };

interface Known {
  readonly state: ConnectionState;
  readonly traffic: Traffic;
}

/**
 * Makes rates of the totals that connections are looked at with. What a connection passes after the last look at it is
 * never seen.
 */
export class ConnectionMeter {
  readonly #up = new Traffic(KEPT_IN_ALL);
  readonly #down = new Traffic(KEPT_IN_ALL);
  /** Null before the first look, which tells nothing of rates. */
  #known: Map<string, Known> | null = null;

  get up(): Flow {
    return this.#up;
  }

  get down(): Flow {
    return this.#down;
  }

  /** Takes a look, `elapsed` milliseconds after the one before. */
  take(states: readonly ConnectionState[], elapsed: number): MeteredConnection[] {
    const before = this.#known;
    const now = new Map<string, Known>();
    let up = 0;
    let down = 0;
    const metered = states.map((state) => {
      const known = before?.get(state.id);
      const traffic = known?.traffic ?? new Traffic(KEPT_FOR_EACH);
      const { bytesUp, bytesDown } = known?.state ?? (before === null ? state : NOTHING);
      const cameUp = state.bytesUp - bytesUp;
      const cameDown = state.bytesDown - bytesDown;
      up += cameUp;
      down += cameDown;
      traffic.add(cameUp + cameDown, elapsed);
      now.set(state.id, { state, traffic });
      return { ...state, rate: traffic.rate, history: traffic.history };
    });
    this.#known = now;
    this.#up.add(up, elapsed);
    this.#down.add(down, elapsed);
    return metered;
  }
}
