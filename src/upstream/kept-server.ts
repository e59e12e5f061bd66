import { parseAddress } from "../net/address.ts";
import {
  type GroupMemory,
  Out,
  ServerCount,
  type ServerCountName,
  ServerNumber,
  ServerWord,
} from "./group-memory.ts";
import type { HealthCheckSettings } from "./group-settings.ts";
import type { ServerOrder, ServerState, ServerStatus } from "./group-status.ts";
import { HealthChecker, type HealthCheckerMeans } from "./health/health-checker.ts";
import type { Probe, ProbeResult } from "./health/probe.ts";
import type { ServerInit, ServerRecord } from "./server.ts";

/** A way to see whether a server is well. */
export interface Check {
  readonly settings: HealthCheckSettings;
  readonly probe: Probe;
}

/** What a server's checks are made with, and who hears of them. */
export interface CheckMeans extends Pick<HealthCheckerMeans, "clock" | "random"> {
  readonly checks: readonly Check[];
  /** The server became well or stopped being so, by all checks together. */
  onChange(server: KeptServer, reason: string): void;
  /** A probe of a server that is well succeeded. */
  onGood(server: KeptServer): void;
}

/** What a server is now, why, and since when. */
export interface Standing {
  readonly state: ServerState;
  readonly reason: string;
  readonly since: number;
}

/** A server as the keeper of its group knows it. */
export class KeptServer {
  record: ServerRecord;
  /** As it is set now. */
  weight: number;
  standing: Standing;
  /** What its checks said last when they failed. */
  downReason = "";
  readonly #checkers = new Map<Check, HealthChecker>();
  /** The checks that it fails. */
  readonly #failing = new Set<Check>();
  #means: CheckMeans;

  constructor(record: ServerRecord, since: number, means: CheckMeans) {
    this.record = record;
    this.weight = record.weight;
    this.standing = { state: "up", reason: "", since };
    this.#means = means;
    for (const check of means.checks) this.#check(check, true);
  }

  get slot(): number {
    return this.record.slot;
  }

  /** Whether all checks agree that it is. */
  get isWell(): boolean {
    return this.#failing.size === 0;
  }

  /** It is written down anew. A weight that is another one there than before counts from now on. */
  adopt({ address, weight, priority, zone }: Required<ServerInit>): void {
    const { record } = this;
    if (record.weight === weight && record.priority === priority && record.zone === zone) return;
    if (record.weight !== weight) this.weight = weight;
    this.record = { address, weight, priority, zone, slot: record.slot };
  }

  startChecks(): void {
    for (const checker of this.#checkers.values()) checker.start();
  }

  stopChecks(): void {
    for (const checker of this.#checkers.values()) checker.stop();
  }

  /**
   * Others look after it from now on. Checks that are among theirs too go on where they are, and what they said stands. One
   * that it failed and that isn't made any more leaves it ill to those that come instead, until they say otherwise.
   */
  moveTo(slot: number, means: CheckMeans): void {
    const dropped = [...this.#checkers].filter(([check]) => !means.checks.includes(check));
    const isSuspect = dropped.some(([check]) => this.#failing.has(check));
    for (const [check, checker] of dropped) {
      checker.stop();
      this.#checkers.delete(check);
      this.#failing.delete(check);
    }
    this.#means = means;
    for (const check of means.checks) {
      if (this.#checkers.has(check)) continue;
      this.#check(check, !isSuspect);
      if (isSuspect) this.#failing.add(check);
    }
    // Whoever has the record sees by it that nothing changed.
    if (slot !== this.record.slot) this.record = { ...this.record, slot };
  }

  /**
   * Others found it ill: so it is here until its checks say otherwise; without any it is well. To be called before they begin.
   * @param reason what theirs said last
   */
  believeIll(reason: string): void {
    this.downReason = reason;
    for (const check of this.#means.checks) {
      this.#check(check, false);
      this.#failing.add(check);
    }
  }

  #check(check: Check, isHealthy: boolean): void {
    const { clock, random } = this.#means;
    const means: HealthCheckerMeans = {
      ...{ clock, random, probe: new NotedProbe(check.probe, () => this.#onGood()) },
      onChange: (isGood, reason) => this.#onChange(check, isGood, reason),
    };
    const address = parseAddress(this.record.address);
    this.#checkers.set(check, new HealthChecker(check.settings, address, means, isHealthy));
  }

  #onGood(): void {
    if (this.isWell) this.#means.onGood(this);
  }

  #onChange(check: Check, isHealthy: boolean, reason: string): void {
    const wasWell = this.isWell;
    if (isHealthy) this.#failing.delete(check);
    else this.#failing.add(check);
    if (!isHealthy) this.downReason = reason;
    if (this.isWell !== wasWell) this.#means.onChange(this, reason);
  }
}

/** Tells of each success: checkers tell of changes only. */
class NotedProbe implements Probe {
  readonly #probe: Probe;
  readonly #onGood: () => void;

  constructor(probe: Probe, onGood: () => void) {
    this.#probe = probe;
    this.#onGood = onGood;
  }

  async run(...[address, signal]: Parameters<Probe["run"]>): Promise<ProbeResult> {
    const result = await this.#probe.run(address, signal);
    if (result.isHealthy && !signal.aborted) this.#onGood();
    return result;
  }
}

/** What people hear of what a server is out for: orders come before findings. */
export function stateOf(out: number): ServerState {
  if ((out & Out.Disabled) !== 0) return "disabled";
  if ((out & Out.Draining) !== 0) return "draining";
  if ((out & Out.Unhealthy) !== 0) return "down";
  return (out & Out.Ejected) === 0 ? "up" : "ejected";
}

/** What an order takes a server out for. */
export const ORDERED_OUT: Readonly<Record<ServerOrder, number>> = {
  enabled: 0,
  draining: Out.Draining,
  disabled: Out.Disabled,
};

const COUNT_NAMES = Object.keys(ServerCount) as ServerCountName[];

export function serverStatus(server: KeptServer, memory: GroupMemory, ramp: number): ServerStatus {
  const { record, standing, weight } = server;
  const { address, priority, zone, slot } = record;
  const counts = COUNT_NAMES.map((name) => [name, memory.total(slot, ServerCount[name])]);
  return {
    ...{ address, ...standing, weight, ramp, priority, zone },
    requests: memory.underWay(slot),
    connections: memory.underWay(slot),
    latency: memory.number(slot, ServerNumber.Latency) || null,
    counts: Object.fromEntries(counts) as Record<ServerCountName, number>,
  };
}

/** Whether requests may be sent to it as to any other. */
export function isAvailable(server: KeptServer, memory: GroupMemory): boolean {
  return memory.of(server.slot, ServerWord.Out) === 0;
}
