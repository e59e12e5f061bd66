import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { pino } from "pino";
import { until } from "../../test/kit/deadline.ts";
import { listen } from "../../test/kit/ports.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { TrafficKeeper } from "../observe/traffic/traffic-keeper.ts";
import { STREAM_DEFAULTS } from "../proxy/stream-proxy.ts";
import { NOTHING_STANDING, type Standing } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { allocateSharedMemory } from "../worker/shared-memory.ts";
import { CacheKeepers } from "./cache-keepers.ts";
import type { NextRun } from "./planes.ts";
import { SocketKeeper } from "./sockets.ts";
import { Supervisor } from "./supervisor.ts";
import { TlsKeepers } from "./tls-keepers.ts";

const LOG = pino({ level: "silent" });

const SPEC: RunSpec = {
  ...{ snapshot: null, program: null, binds: [], accessLog: null, instance: "test", seed: "0" },
  errorLog: { level: "silent", path: null },
};

describe("generations of workers", () => {
  test("are as many as there are rows to count in, and lose none of what was counted", async () => {
    const server = createServer((socket) => socket.pipe(socket));
    const upstreams = [`127.0.0.1:${await listen(server)}`];
    const proxy = { ...STREAM_DEFAULTS.tcp, name: "raw", listen: "127.0.0.1:0", upstreams };
    let standing: Standing = { ...NOTHING_STANDING, proxies: [proxy] };
    const shared = { ...allocateSharedMemory(SPEC, 1), rows: 2 };
    const keepers = {
      sockets: new SocketKeeper(),
      tls: new TlsKeepers(LOG),
      traffic: new TrafficKeeper(),
      caches: new CacheKeepers(LOG, null),
    };
    const supervisor = new Supervisor(SPEC, shared, keepers, LOG);
    supervisor.standing = () => standing;
    const next = (seed: number): NextRun => {
      return { spec: { ...SPEC, seed: String(seed) }, shared, threads: 1, standing, grace: 0 };
    };
    try {
      await supervisor.start();
      const other = { ...proxy, name: "other" };
      const address = String(await supervisor.orderFirst({ do: "open", settings: other }));
      standing = { ...standing, proxies: [proxy, { ...other, listen: address }] };
      const port = Number(address.split(":").at(-1));
      const client = await connectRaw(port);
      await client.write("one;");
      await client.readUntil("one;");

      const second = await supervisor.prepare(next(1));
      assert.equal(second.kind, "generation");
      await assert.rejects(supervisor.prepare(next(2)), /already/);
      await second.commit();
      await assert.rejects(supervisor.prepare(next(2)), {
        message:
          "There is no room for a new generation of threads (1) as long as earlier ones have connections: 1 (1 open). Try again " +
          "when one of them has ended, or have another process take over (sluice upgrade), which gives them the grace period",
      });
      assert.deepEqual(
        supervisor.generations.map(({ number, connections }) => [number, connections]),
        [
          [2, 0],
          [1, 1],
        ],
      );

      await client.write("two;");
      await client.readUntil("two;");
      client.socket.end();
      await client.closed;
      await until("the first has ended", () => supervisor.generations.length === 1);
      const traffic = (await supervisor.orderOthers({ do: "traffic" })) as { sentUp: number }[][];
      assert.equal(traffic.flat()[0]?.sentUp, 8);
      const third = await supervisor.prepare(next(2));
      await third.abandon();
      assert.equal(supervisor.counters.connectionsAccepted, 1);
      assert.deepEqual(
        supervisor.generations.map(({ number }) => number),
        [2],
      );
    } finally {
      await supervisor.stop();
      server.close();
      await once(server, "close");
    }
  });
});
