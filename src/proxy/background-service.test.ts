import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { type BackgroundServiceOptions, backgroundService } from "./background-service.ts";
import { serve } from "./serve.ts";
import { Server } from "./server.ts";
import type { Service, ServiceContext } from "./service.ts";
import { tcpService } from "./tcp-service.ts";

function recorded(log: string[], name: string, options: Partial<BackgroundServiceOptions> = {}): Service {
  return backgroundService({
    name,
    async start() {
      log.push(`start ${name}`);
      await new Promise(setImmediate);
      log.push(`ready ${name}`);
    },
    stop: () => void log.push(`stop ${name}`),
    ...options,
  });
}

describe("a background service", () => {
  test("is ready before those that depend on it, and stops after them", async () => {
    const log: string[] = [];
    const server = await serve([
      recorded(log, "table", { dependsOn: ["names"] }),
      recorded(log, "names"),
      recorded(log, "clock"),
    ]);
    assert.deepEqual(log.splice(0), [
      "start names",
      "ready names",
      "start table",
      "ready table",
      "start clock",
      "ready clock",
    ]);
    assert.deepEqual(server.addresses, []);
    await server.close();
    assert.ok(log.indexOf("stop table") < log.indexOf("stop names"), log.join());
    assert.deepEqual(log.toSorted(), ["stop clock", "stop names", "stop table"]);
  });

  test("keeps listeners shut until it is ready", async () => {
    const gate = Promise.withResolvers<void>();
    const log: string[] = [];
    const tcp = tcpService({
      name: "tcp",
      handler: async (socket) => {
        socket.write(log.join());
      },
    });
    const starting = serve([
      tcp,
      backgroundService({
        name: "slow",
        start: async () => {
          await gate.promise;
          log.push("ready");
        },
      }),
    ]);
    gate.resolve();
    await using server = await starting;
    await using client = await connectRaw(server.port);
    assert.equal((await client.readToEnd()).toString(), "ready");
  });

  test("hears of the shutdown by its signal, and is stopped after its dependents have finished", async () => {
    const log: string[] = [];
    const background = backgroundService({
      name: "base",
      start({ signal }) {
        signal.addEventListener("abort", () => log.push("shutdown"));
      },
      stop: () => void log.push("stopped"),
    });
    const release = Promise.withResolvers<void>();
    const tcp = tcpService({
      dependsOn: ["base"],
      handler: async (socket) => {
        socket.write("1");
        await release.promise;
        log.push("handled");
      },
    });
    const server = await serve([background, tcp]);
    await using client = await connectRaw(server.port);
    await client.readExactly(1);
    const closed = server.close();
    assert.deepEqual(log, ["shutdown"]);
    release.resolve();
    await client.readToEnd();
    client.end();
    await closed;
    assert.deepEqual(log, ["shutdown", "handled", "stopped"]);
  });

  test("that can't start ends the start, with its name, and undoes what was started", async () => {
    const log: string[] = [];
    const failing = backgroundService({
      name: "names",
      start: () => Promise.reject(new Error("no resolver answers")),
      stop: () => void log.push("stop names"),
    });
    await assert.rejects(serve([recorded(log, "clock"), failing, recorded(log, "later")]), {
      message: "Service names could not start: no resolver answers",
    });
    assert.deepEqual(log, ["start clock", "ready clock", "stop clock"]);
  });

  test("that can't stop is reported and holds up nobody", async () => {
    const reported: string[] = [];
    const server = await serve(
      [
        backgroundService({
          name: "names",
          start() {},
          stop: () => Promise.reject(new Error("stuck")),
        }),
      ],
      { onError: (error, about) => reported.push(`${about}: ${(error as Error).message}`) },
    );
    await server.close();
    assert.deepEqual(reported, ["names: stuck"]);
  });

  test("runs in the first thread only when there should be one, and nobody waits for it elsewhere", async () => {
    const started: number[] = [];
    const once = backgroundService({
      name: "once",
      once: true,
      start: ({ thread }: ServiceContext) => void started.push(thread),
    });
    const dependent = backgroundService({
      name: "everywhere",
      dependsOn: ["once"],
      start: ({ thread }) => void started.push(10 + thread),
    });
    for (const thread of [0, 1]) {
      const server = new Server([dependent, once], { thread });
      await server.start();
      await server.drain(0);
    }
    assert.deepEqual(started, [0, 10, 11]);
  });
});
