import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Counter } from "../../src/base/counters.ts";
import { Http2Error } from "../../src/http2/error-codes.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { CLIENT_PREFACE } from "../../src/http2/preface.ts";
import type { Session } from "../../src/proxy/session.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { connectFrames } from "../kit/http2-frame-client.ts";
import { frame, uint32 } from "../kit/http2-frames.ts";
import { startProxy } from "./proxy.ts";
import { get, startListening } from "./sluice.ts";

/** Answers nothing until its client is gone. */
const waiting = { requestFilter: () => new Promise<boolean>(() => {}) };

describe("clients of HTTP/2 that say nothing", () => {
  test("one that doesn't acknowledge the settings is disconnected", async () => {
    await using proxy = await startProxy({ phases: waiting, http2: { settingsTimeout: 300 } });
    await using client = await connectFrames(proxy.port);
    client.mutesSettings = true;
    client.request(1, true);
    await client.until(() => client.goaway !== "");
    assert.match(client.goaway, /^SETTINGS_TIMEOUT/);
    await until("the connection is closed", () => client.closed);
    await proxy.settled();
    assert.equal(proxy.counters.get(Counter.timeouts), 1);
  });

  test("one with a request under way is asked, and is gone if it doesn't answer", async () => {
    await using proxy = await startProxy({ phases: waiting, http2: { pingInterval: 300, pingTimeout: 300 } });
    await using client = await connectFrames(proxy.port);
    client.mutesPings = true;
    client.request(1, true);
    await until("the connection is closed", () => client.closed);
    assert.equal(client.pings, 1);
    await proxy.settled();
    assert.equal(proxy.counters.get(Counter.timeouts), 1);
  });

  test("one that answers stays, and one without a request isn't asked", async () => {
    await using proxy = await startProxy({
      phases: waiting,
      http2: { pingInterval: 200, pingTimeout: 5_000 },
    });
    await using idle = await connectFrames(proxy.port);
    await using client = await connectFrames(proxy.port);
    client.request(1, true);
    await client.until(() => client.pings === 3);
    assert.deepEqual([client.closed, client.goaway, idle.pings], [false, "", 0]);
  });
});

test("what a configuration says of HTTP/2 is what clients are told", async () => {
  await using folder = await createTemporaryDirectory();
  const listeners = [
    { bind: "127.0.0.1:0", respond: 200, http2: { max_concurrent_streams: 3, stream_window: "100k" } },
    { bind: "127.0.0.1:0", respond: 200, http2: "only" },
    { bind: "127.0.0.1:0", respond: 200, http2: false },
  ];
  const file = await folder.write("sluice.yaml", JSON.stringify({ listeners }));
  await using sluice = await startListening(["run", file, "--threads", "0"], { listeners: 3 });
  const [both, only, none] = sluice.addresses.map((address) => Number(/\d+$/.exec(address)?.[0]));
  await using client = await connectFrames(both!);
  client.request(1, true);
  assert.equal(await client.statusOf(1), 200);
  const { maxConcurrentStreams, initialWindowSize } = client.settings;
  assert.deepEqual([maxConcurrentStreams, initialWindowSize], [3, 102_400]);
  assert.equal((await get(both!)).status, 200);
  await assert.rejects(get(only!));
  await using refused = await connectFrames(none!);
  await until("the connection is closed", () => refused.closed);
});

describe("a listener where only HTTP/2 is spoken", () => {
  const answering = { requestFilter: (session: Session) => session.respond({ status: 200, body: "ok" }) };

  test("answers those who speak it", async () => {
    await using proxy = await startProxy({ phases: answering, http2: { only: true } });
    await using client = await connectFrames(proxy.port);
    client.request(1, true);
    assert.equal(await client.statusOf(1), 200);
    assert.equal(proxy.counters.get(Counter.http2Connections), 1);
  });

  const others: Record<string, string> = {
    "HTTP/1": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no protocol at all": "INVALID CONNECTION PREFACE\r\n\r\n",
    "a preface with another end": `${CLIENT_PREFACE.toString("latin1").slice(0, -2)}XX`,
  };
  for (const [name, bytes] of Object.entries(others)) {
    test(`says GOAWAY to ${name}, and closes`, async () => {
      await using proxy = await startProxy({ phases: answering, http2: { only: true } });
      const client = await proxy.connect();
      await client.write(bytes);
      const answer = (await client.readToEnd()).toString("latin1");
      assert.ok(!answer.startsWith("HTTP/1"), answer);
      const goaway = frame(FrameType.Goaway, 0, 0, uint32(0, Http2Error.ProtocolError)).subarray(3);
      assert.ok(answer.includes(goaway.toString("latin1")), "a GOAWAY with PROTOCOL_ERROR");
      client.destroy();
    });
  }
});
