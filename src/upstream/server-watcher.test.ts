import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KeptGroup, type KeptGroupOptions } from "../../test/kit/kept-group.ts";
import { ProxyError } from "../base/errors.ts";
import type { AttemptWatcher } from "./attempt-watcher.ts";
import { DEFAULT_GROUP, type OutlierSettings } from "./group-settings.ts";

const OUTLIERS: OutlierSettings = {
  ...{ consecutive: 3, statuses: [{ first: 500, last: 599 }] },
  ...{ ratio: 0, window: 10_000, minimumRequests: 4 },
  ...{ ejection: 1_000, longestEjection: 2_500, mostEjected: 0.5 },
};

function watched(options: KeptGroupOptions = {}): { rig: KeptGroup; watcher: AttemptWatcher } {
  const rig = new KeptGroup(options);
  return { rig, watcher: rig.server("a:1").watcher! };
}

function attempt(watcher: AttemptWatcher, status: number | null, error: ProxyError | null = null): void {
  assert.ok(watcher.onBegin());
  if (status !== null) watcher.onResponse(status, 0);
  watcher.onEnd(error, status === null ? 0.5 : 0);
}

const reset = (): ProxyError => new ProxyError("UPSTREAM_RESET");

describe("a server's watcher", () => {
  test("counts what is under way and what came of it", () => {
    const { rig, watcher } = watched();
    watcher.onBegin();
    watcher.onBegin();
    assert.deepEqual([rig.status("a:1").requests, rig.status("a:1").connections], [2, 2]);
    watcher.onResponse(201, 0);
    watcher.onEnd(null, 0);
    watcher.onEnd(new ProxyError("DOWNSTREAM_CLOSED"), 0);
    for (const status of [302, 404, 404, 500]) attempt(watcher, status);
    attempt(watcher, null, new ProxyError("UPSTREAM_CONNECT_REFUSED"));
    attempt(watcher, 200, reset());
    const { requests, connections, counts } = rig.status("a:1");
    assert.deepEqual([requests, connections], [0, 0]);
    assert.deepEqual(counts, {
      ...{ requests: 8, responses2xx: 2, responses3xx: 1, responses4xx: 2, responses5xx: 1 },
      ...{ connectFailures: 1, failures: 1, retries: 0, ejections: 0 },
    });
  });

  test("takes bad statuses, and breaking off after a good one, for failures", () => {
    for (const [status, error] of [
      [503, null],
      [200, reset()],
      [null, new ProxyError("UPSTREAM_CONNECT_TIMEOUT")],
    ] as const) {
      const { rig, watcher } = watched({ outliers: OUTLIERS });
      for (const _ of [1, 2]) attempt(watcher, status, error);
      assert.equal(rig.status("a:1").state, "up");
      attempt(watcher, status, error);
      assert.equal(rig.status("a:1").state, "ejected");
      assert.equal(rig.status("a:1").reason, "3 failures in a row");
    }
  });

  test("learns nothing of clients that leave, of the proxy's own errors, and of attempts that were given up", () => {
    const { rig, watcher } = watched({ outliers: OUTLIERS });
    for (const _ of [1, 2]) attempt(watcher, 503);
    for (const code of ["DOWNSTREAM_CLOSED", "FILTER_FAILED", "REQUEST_TIMEOUT"] as const) {
      attempt(watcher, null, new ProxyError(code));
      attempt(watcher, 200, new ProxyError(code));
    }
    attempt(watcher, null);
    assert.equal(rig.status("a:1").state, "up");
    attempt(watcher, 503);
    assert.equal(rig.status("a:1").state, "ejected");
  });

  test("forgets failures after a success", () => {
    const { rig, watcher } = watched({ outliers: OUTLIERS });
    for (const _ of [1, 2, 3, 4]) {
      for (const status of [500, 500, 200]) attempt(watcher, status);
    }
    assert.equal(rig.status("a:1").state, "up");
  });

  test("judges each of many at once, once", () => {
    const { rig, watcher } = watched({ outliers: { ...OUTLIERS, consecutive: 11 } });
    for (let i = 0; i < 10; i++) watcher.onBegin();
    for (let i = 0; i < 10; i++) watcher.onResponse(500, 0);
    for (let i = 0; i < 10; i++) watcher.onEnd(i % 2 === 0 ? null : reset(), 0);
    assert.equal(rig.status("a:1").state, "up");
    attempt(watcher, 500);
    assert.equal(rig.status("a:1").state, "ejected");
  });

  test("is timed once somebody asks for latencies, but not for what began before", () => {
    const { rig, watcher } = watched({ policy: "peak_ewma" });
    watcher.onBegin();
    assert.equal(watcher.isTimed, false);
    rig.choose(1);
    watcher.onBegin();
    assert.equal(watcher.isTimed, false);
    for (const _ of [1, 2]) watcher.onEnd(null, 0);
    watcher.onBegin();
    assert.equal(watcher.isTimed, true);
    watcher.onResponse(200, 12);
    watcher.onEnd(null, 0);
    assert.equal(rig.status("a:1").latency, 12);
    assert.equal(rig.status("b:1").latency, null);
    attempt(watcher, null, new ProxyError("UPSTREAM_CONNECT_REFUSED"));
    assert.equal(rig.status("a:1").latency, 1_000, "refusing quickly is no quick answer");
    watcher.onBegin();
    watcher.onEnd(null, 2_000);
    assert.equal(rig.status("a:1").latency, 2_000, "it was given up for another one's answer");
    const plain = watched();
    plain.rig.choose(9);
    plain.watcher.onBegin();
    assert.equal(plain.watcher.isTimed, false);
  });

  test("lets begin no more than the limits of server and group allow", () => {
    for (const kind of ["requests", "connections"] as const) {
      const { rig, watcher } = watched({
        serverLimits: { ...DEFAULT_GROUP.serverLimits, [kind]: 2 },
        limits: { ...DEFAULT_GROUP.limits, [kind]: 3 },
      });
      const other = rig.server("b:1").watcher!;
      assert.deepEqual(
        [watcher, watcher, watcher].map((one) => one.onBegin()),
        [true, true, false],
      );
      assert.deepEqual(
        [other, other].map((one) => one.onBegin()),
        [true, false],
      );
      watcher.onEnd(null, 0);
      assert.equal(other.onBegin(), true);
      assert.equal(watcher.onBegin(), false);
      for (const one of [watcher, other, other]) one.onEnd(null, 0);
      assert.deepEqual(
        [watcher, watcher].map((one) => one.onBegin()),
        [true, true],
      );
    }
  });

  test("counts what was under way to its end when the server leaves, and nothing that begins later", () => {
    const { rig, watcher } = watched({ serverLimits: { requests: 1, connections: 0 } });
    const { slot } = rig.server("a:1");
    watcher.onBegin();
    rig.setServers("b:1");
    assert.equal(rig.memory.underWay(slot), 1);
    assert.ok(watcher.onBegin());
    assert.equal(rig.memory.underWay(slot), 1);
    watcher.onEnd(null, 0);
    watcher.onEnd(null, 0);
    assert.equal(rig.memory.underWay(slot), 0);
  });
});
