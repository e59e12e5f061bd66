import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { threadAlarms } from "../../src/base/alarms.ts";
import { Counter } from "../../src/base/counters.ts";
import { Faults } from "../../src/chaos/faults.ts";
import { ToxicRegistry } from "../../src/chaos/registry.ts";
import { latency } from "../../src/chaos/toxics/latency.ts";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import type { Session } from "../../src/proxy/session.ts";
import { until, untilQuick } from "../kit/deadline.ts";
import { connectFrames } from "../kit/http2-frame-client.ts";
import { frame } from "../kit/http2-frames.ts";
import { answering, ok, request, startProxy } from "./proxy.ts";

const MB = 1024 * 1024;

function createFaults(): Faults {
  const observer = {
    onToxicFailed: (_proxy: string, _toxic: string, error: unknown) => {
      throw error;
    },
  };
  const registry = new ToxicRegistry([latency]);
  return new Faults({ name: "web", registry, clock: threadAlarms, seed: "seed", observer });
}

function delay(stream: string, milliseconds: number) {
  const attributes = { latency: milliseconds, jitter: 0 };
  return { name: `slow ${stream}`, type: "latency", stream, toxicity: 1, attributes };
}

describe("toxics on an HTTP listener", () => {
  test("act on connections that are open, and stop when they are removed", async () => {
    const faults = createFaults();
    await using proxy = await startProxy({ origin: answering(ok("x")), faults });
    const client = await proxy.connect();
    const timed = async (): Promise<number> => {
      const start = performance.now();
      const response = await client.exchange(request("GET /"));
      assert.equal(response.status, 200);
      return performance.now() - start;
    };
    await timed();
    faults.add(delay("downstream", 150));
    assert.ok((await timed()) >= 149);
    faults.add(delay("upstream", 150));
    assert.ok((await timed()) >= 299);
    faults.clear();
    await untilQuick(149, timed);
    faults.add(delay("upstream", 150));
    assert.ok((await timed()) >= 149);
  });

  test("don't cost an HTTP/2 client the answers that wait when its connection is closed", async () => {
    const faults = createFaults();
    const requestFilter = (session: Session): boolean => session.respond({ status: 200, body: "late" });
    await using proxy = await startProxy({ phases: { requestFilter }, faults });
    await using client = await connectFrames(proxy.port);
    client.request(1, true);
    await client.until(() => client.endOf(1) === "end");
    // For longer than a connection lingers that is closed.
    faults.add(delay("downstream", 3_000));
    client.request(3, true);
    await until("it is answered", () => proxy.count("responses2xx") === 2);
    const stopped = proxy.server.drain(10_000);
    // Instead of one that the client is to hear only later.
    client.sendRaw(frame(FrameType.Ping, FrameFlag.Ack, 0, Buffer.alloc(8)));
    await client.until(() => client.endOf(3) === "end");
    await stopped;
  });

  test("let bodies through whole, both ways, while they come and go", async () => {
    const faults = createFaults();
    const body = Buffer.alloc(20 * MB, "0123456789abcdef!");
    await using proxy = await startProxy({
      origin: async (connection) => {
        const received = await connection.readRequest();
        assert.ok(received.body.equals(body));
        connection.end(
          Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body]),
        );
      },
      faults,
    });
    const client = await proxy.connect();
    const changes = setInterval(() => {
      if (faults.isActive) faults.clear();
      else for (const stream of ["upstream", "downstream"]) faults.add(delay(stream, 7));
    }, 5);
    try {
      const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
      const response = await client.exchange(Buffer.concat([Buffer.from(head), body]));
      assert.ok(response.body.equals(body));
    } finally {
      clearInterval(changes);
    }
  });

  test("hold an answer back no longer than the client is there", async () => {
    const faults = createFaults();
    faults.add(delay("downstream", 60_000));
    await using proxy = await startProxy({ origin: answering(ok("x")), faults });
    const client = await proxy.connect();
    client.write(request("GET /"));
    await until("the answer is held", () => proxy.counters.get(Counter.responses2xx) === 1);
    assert.equal(proxy.counters.get(Counter.connectionsOpen), 1);
    client.reset();
    await until("it is over", () => proxy.counters.get(Counter.connectionsOpen) === 0);
  });
});
