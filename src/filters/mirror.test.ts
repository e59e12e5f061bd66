import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../test/kit/deadline.ts";
import { type Origin, startOrigin } from "../../test/kit/origins.ts";
import { createSession, type SessionInit } from "../../test/kit/session.ts";
import { Counter, Counters } from "../base/counters.ts";
import { ProxyError } from "../base/errors.ts";
import { Forwarding, NO_FORWARDING } from "../proxy/forwarding.ts";
import { Connector } from "../upstream/connector.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { Mirror, type MirrorMeans } from "./mirror.ts";
import type { MirrorSettings } from "./settings.ts";

/** A mirror before an origin of the test. */
class Rig implements Disposable {
  readonly counters = Counters.local();
  readonly #connector = new Connector();
  readonly mirror: Mirror;

  constructor(origin: Origin, settings: Partial<MirrorSettings> = {}, means: Partial<MirrorMeans> = {}) {
    const defaults = { upstream: "shadow", share: 1, mostPending: 2, mostBuffered: 1_000, timeout: 10_000 };
    this.mirror = new Mirror(
      { ...defaults, ...settings },
      {
        choosePeer: () => new HttpPeer(origin.address),
        rewrite: null,
        forwarding: new Forwarding(NO_FORWARDING),
        connector: this.#connector,
        counters: this.counters,
        random: { next: () => 0.5 },
        ...means,
      },
    );
  }

  copy(init: SessionInit = {}): void {
    this.mirror.copy(createSession<unknown>(init).session);
  }

  async counted(copies: number, failures: number): Promise<void> {
    await until(`${copies} copies and ${failures} failures`, () => {
      const counts = [this.counters.get(Counter.copies), this.counters.get(Counter.copyFailures)];
      return counts.join() === `${copies},${failures}`;
    });
  }

  [Symbol.dispose](): void {
    this.#connector.close();
  }
}

describe("a mirror", () => {
  test("copies what the lot falls on", async () => {
    await using origin = await startOrigin();
    for (const [share, copies] of [
      [0, 0],
      [0.5, 0],
      [0.51, 1],
      [1, 1],
    ] as const) {
      using rig = new Rig(origin, { share });
      rig.copy();
      await rig.counted(copies, 0);
    }
    assert.equal(origin.requests.length, 2);
  });

  test("copies nothing that becomes another protocol", async () => {
    await using origin = await startOrigin();
    using rig = new Rig(origin);
    rig.copy({ method: "CONNECT", target: "a.example:443", host: "a.example:443" });
    rig.copy({ headers: ["Connection: Upgrade", "Upgrade: websocket"] });
    rig.copy({ headers: ["Upgrade: h2c"] });
    await rig.counted(1, 0);
    assert.equal(origin.requests.length, 1);
  });

  test("counts what it couldn't send", async () => {
    await using origin = await startOrigin();
    const refuses = (): never => {
      throw new ProxyError("NO_PEER");
    };
    for (const means of [{ choosePeer: refuses }, { rewrite: refuses }]) {
      using rig = new Rig(origin, {}, means);
      rig.copy();
      rig.copy();
      rig.copy();
      await rig.counted(0, 3);
    }
    assert.equal(origin.connectionCount, 0);
  });

  test("sends no more at once than it may", async () => {
    await using origin = await startOrigin();
    using rig = new Rig(origin, { mostPending: 2 });
    for (let i = 0; i < 5; i++) rig.copy({ target: "/held" });
    await rig.counted(0, 3);
    await origin.request(1);
    origin.release();
    await rig.counted(2, 3);
    rig.copy({ target: "/" });
    await rig.counted(3, 3);
  });

  test("leaves the request as it is", async () => {
    await using origin = await startOrigin();
    using rig = new Rig(origin, {}, { rewrite: (request) => request.headers.set("x-copy", "1") });
    const { session } = createSession<unknown>({ headers: ["Expect: 100-continue", "X-One: 1"] });
    rig.mirror.copy(session);
    await rig.counted(1, 0);
    const { headers } = await origin.request(0);
    assert.deepEqual([headers["x-copy"], headers["x-one"], headers.expect], ["1", "1", undefined]);
    assert.equal(session.request.headers.get("expect"), "100-continue");
    assert.equal(session.request.headers.has("x-copy"), false);
  });
});
