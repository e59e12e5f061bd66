import assert from "node:assert/strict";
import { ManualAlarmClock } from "../../src/base/alarms.ts";
import type { RetryGate } from "../../src/proxy/session.ts";
import type { HttpPeer, PeerOptions } from "../../src/upstream/peer.ts";
import { type RawOrigin, type RawScript, startRawOrigin } from "../kit/raw-origin.ts";
import { RecordingWatcher } from "../kit/recording-watcher.ts";
import { type ProxyOptions, type ProxyUnderTest, startProxy } from "./proxy.ts";

/** Lets so many repeated attempts be under way at once, and counts. */
export class RecordingGate implements RetryGate {
  most: number = Number.POSITIVE_INFINITY;
  active = 0;
  entered = 0;
  refused = 0;

  enter(): boolean {
    if (this.active >= this.most) {
      this.refused++;
      return false;
    }
    this.active++;
    this.entered++;
    return true;
  }

  leave(): void {
    this.active--;
    assert.ok(this.active >= 0, "the gate was left twice");
  }
}

export interface ClusterOptions extends Omit<ProxyOptions<undefined>, "origin" | "peer"> {
  readonly peer?: PeerOptions;
}

/** A server of a cluster, "nobody" for an address where nobody listens. */
export type Member = RawScript | "nobody";

/**
 * A proxy before several servers: the first attempt goes to the first, the second to the next, and so on, round and round.
 * Its disposal is a test of its own: all that began is over.
 */
export class Cluster implements AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly origins: readonly (RawOrigin | null)[];
  readonly watchers: readonly RecordingWatcher[];
  readonly gate: RecordingGate;
  /** What the proxy's sessions go by. */
  readonly clock: ManualAlarmClock;

  private constructor(parts: Omit<Cluster, "ends" | typeof Symbol.asyncDispose>) {
    this.proxy = parts.proxy;
    this.origins = parts.origins;
    this.watchers = parts.watchers;
    this.gate = parts.gate;
    this.clock = parts.clock;
  }

  static async start(members: readonly Member[], options: ClusterOptions = {}): Promise<Cluster> {
    const { peer, phases, ...rest } = options;
    const origins = await Promise.all(
      members.map((script) => (script === "nobody" ? null : startRawOrigin(script))),
    );
    const watchers = members.map(() => new RecordingWatcher());
    const gate = new RecordingGate();
    const clock = new ManualAlarmClock();
    const choose = (tries: number): HttpPeer => {
      const at = (tries - 1) % members.length;
      return watchers[at]!.peer(origins[at]?.port ?? 1, peer);
    };
    const proxy = await startProxy({
      alarms: clock,
      ...rest,
      phases: {
        earlyRequestFilter: (session) => {
          session.retryGate = gate;
        },
        upstreamPeer: ({ tries }) => choose(tries),
        ...phases,
      },
    });
    return new Cluster({ proxy, origins, watchers, gate, clock });
  }

  /** How the attempts on each server ended. */
  get ends(): (string | null)[][] {
    return this.watchers.map(({ ends }) => ends);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await Promise.all(this.origins.map((origin) => origin?.[Symbol.asyncDispose]()));
    for (const watcher of this.watchers) assert.equal(watcher.active, 0, "an attempt was never ended");
    assert.equal(this.gate.active, 0, "a repeated attempt was never ended");
  }
}
