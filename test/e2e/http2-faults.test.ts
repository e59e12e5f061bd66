import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Counter } from "../../src/base/counters.ts";
import type { Malformation } from "../../src/http/streams.ts";
import type { Session } from "../../src/proxy/session.ts";
import { until } from "../kit/deadline.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { connectFrames } from "../kit/http2-frame-client.ts";
import { patternBytes } from "../kit/pattern.ts";
import { answering, ok, startProxy } from "./proxy.ts";

describe("faults for HTTP/2 clients", () => {
  for (const malformed of ["status-line", "header", "chunk", "length"] satisfies Malformation[]) {
    test(`a response with a bad ${malformed} is taken by no client`, async () => {
      await using proxy = await startProxy({
        origin: answering(ok("some body")),
        phases: { requestFilter: (session: Session) => session.injectFaults({ malformed }) },
      });
      await using client = new Http2Client(proxy.port);
      const { code } = await client.get("/");
      assert.notEqual(code, 0);
      await until("the connection is closed", () => client.closed);
    });
  }

  test("a reset is the stream's alone", async () => {
    let count = 0;
    const requestFilter = (session: Session): boolean => (count++ === 0 ? session.reset() : false);
    await using proxy = await startProxy({ origin: answering(ok()), phases: { requestFilter } });
    await using client = new Http2Client(proxy.port);
    assert.notEqual((await client.get("/")).code, 0);
    assert.equal((await client.get("/")).status, 200);
  });
});

describe("clients that take nothing", () => {
  test("a stream whose window stays shut is given up, the others go on", async () => {
    const body = patternBytes(100_000);
    const requestFilter = (session: Session): boolean => session.respond({ status: 200, body });
    await using proxy = await startProxy({ settings: { writeTimeout: 150 }, phases: { requestFilter } });
    await using client = await connectFrames(proxy.port);
    client.stream(1).receives.release = () => 0;
    client.request(1, true);
    await client.until(() => client.endOf(1) !== "");
    assert.equal(client.endOf(1), "CANCEL");
    client.request(3, true);
    await client.until(() => client.endOf(3) !== "");
    assert.equal(client.endOf(3), "end");
    assert.ok(Buffer.concat(client.stream(3).body).equals(body));
    assert.equal(proxy.counters.get(Counter.requestsActive), 0);
  });
});
