import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Counter } from "../../src/base/counters.ts";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import type { Session } from "../../src/proxy/session.ts";
import { until } from "../kit/deadline.ts";
import type { Pair } from "../kit/hpack.ts";
import type { FrameClient } from "../kit/http2-frame-client.ts";
import { frame, uint32 } from "../kit/http2-frames.ts";
import { type FrameStage, startFrameStage } from "./frame-stage.ts";
import type { ProxyOptions } from "./proxy.ts";

const { EndStream, EndHeaders } = FrameFlag;
const phases = { requestFilter: (session: Session) => session.respond({ status: 200, body: "ok" }) };
const GET: readonly Pair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "a"],
  [":path", "/"],
];
const POST: readonly Pair[] = [[":method", "POST"], ...GET.slice(1)];

/** A proxy that answers everything itself, and a client of frames. */
function startStage(options: ProxyOptions<undefined> = {}): Promise<FrameStage> {
  return startFrameStage({ phases, ...options });
}

/** Waits for a requests that never ends by itself. */
const waiting = { requestFilter: () => new Promise<boolean>(() => {}) };

describe("rules whose breach ends the connection", () => {
  const breaches: Record<
    string,
    readonly [code: string, frames: (client: FrameClient) => readonly Buffer[]]
  > = {
    "DATA on an idle stream": ["PROTOCOL_ERROR", () => [frame(FrameType.Data, 0, 1, "x")]],
    "a reset of an idle stream": ["PROTOCOL_ERROR", () => [frame(FrameType.ResetStream, 0, 1, uint32(8))]],
    "a window update on an idle stream": [
      "PROTOCOL_ERROR",
      () => [frame(FrameType.WindowUpdate, 0, 1, uint32(1))],
    ],
    "an even stream": ["PROTOCOL_ERROR", () => [frame(FrameType.Headers, EndStream | EndHeaders, 2, "\x82")]],
    "a block that can't be decoded": [
      "COMPRESSION_ERROR",
      () => [frame(FrameType.Headers, EndStream | EndHeaders, 1, "\xff\xff\xff\xff\xff\xff")],
    ],
    "a window of the connection that is too large": [
      "FLOW_CONTROL_ERROR",
      () => [frame(FrameType.WindowUpdate, 0, 0, uint32(0x7fff_ffff))],
    ],
    "an initial window that is too large": [
      "FLOW_CONTROL_ERROR",
      () => [frame(FrameType.Settings, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(0x8000_0000)]))],
    ],
    "ENABLE_PUSH 2": [
      "PROTOCOL_ERROR",
      () => [frame(FrameType.Settings, 0, 0, Buffer.concat([Buffer.from([0, 2]), uint32(2)]))],
    ],
    "a frame that is too long": ["FRAME_SIZE_ERROR", () => [frame(FrameType.Ping, 0, 0, "x".repeat(20_000))]],
    "HEADERS with a number that was passed over": [
      "PROTOCOL_ERROR",
      (client) => {
        client.request(5, true);
        client.request(3, true);
        return [];
      },
    ],
  };
  for (const [name, [code, frames]] of Object.entries(breaches)) {
    test(name, async () => {
      await using stage = await startStage();
      for (const bytes of frames(stage.client)) stage.client.socket.write(bytes);
      await stage.client.until(() => stage.client.goaway !== "");
      assert.match(stage.client.goaway, new RegExp(`^${code}`));
      await until("the connection is closed", () => stage.client.closed);
    });
  }
});

describe("rules whose breach ends a stream", () => {
  const breaches: Record<string, readonly [fields: readonly Pair[], isEnd: boolean]> = {
    "a field name in upper case": [[...GET, ["X-Upper", "1"]], true],
    "a connection field": [[...GET, ["connection", "close"]], true],
    "te with another value": [[...GET, ["te", "gzip"]], true],
    "a pseudo-header field behind others": [[["x", "1"], ...GET], true],
    "no path": [GET.slice(0, 3), true],
    "two methods": [[...GET.slice(0, 1), ...GET], true],
    "a response's field": [[...GET, [":status", "200"]], true],
    "an end before the content-length": [[...POST, ["content-length", "5"]], true],
    "another host": [[...GET, ["host", "b"]], true],
  };
  for (const [name, [fields, isEnd]] of Object.entries(breaches)) {
    test(name, async () => {
      await using stage = await startStage();
      stage.client.request(1, isEnd, fields);
      await stage.client.until(() => stage.client.endOf(1) !== "");
      assert.equal(stage.client.endOf(1), "PROTOCOL_ERROR");
      stage.client.request(3, true);
      await stage.client.until(() => stage.client.endOf(3) === "end");
      assert.equal(stage.proxy.counters.get(Counter.requestsRefused), 1);
    });
  }

  const bodies: Record<string, readonly [code: string, frames: readonly Buffer[]]> = {
    "more than the content-length": ["PROTOCOL_ERROR", [frame(FrameType.Data, 0, 1, "123456")]],
    "less than the content-length": ["PROTOCOL_ERROR", [frame(FrameType.Data, EndStream, 1, "1234")]],
    "a second head without an end": ["PROTOCOL_ERROR", [frame(FrameType.Headers, EndHeaders, 1, "\x82")]],
    "DATA after the end": [
      "STREAM_CLOSED",
      [frame(FrameType.Data, EndStream, 1, "12345"), frame(FrameType.Data, 0, 1, "6")],
    ],
    "a window that is too large": [
      "FLOW_CONTROL_ERROR",
      [frame(FrameType.WindowUpdate, 0, 1, uint32(0x7fff_ffff))],
    ],
    "a window update of nothing": ["PROTOCOL_ERROR", [frame(FrameType.WindowUpdate, 0, 1, uint32(0))]],
  };
  for (const [name, [code, frames]] of Object.entries(bodies)) {
    test(name, async () => {
      await using stage = await startStage({ phases: waiting });
      stage.client.request(1, false, [...POST, ["content-length", "5"]]);
      for (const bytes of frames) stage.client.socket.write(bytes);
      await stage.client.until(() => stage.client.endOf(1) !== "");
      assert.equal(stage.client.endOf(1), code);
      await until("the session is over", () => stage.proxy.counters.get(Counter.requestsActive) === 0);
      assert.equal(stage.client.goaway, "");
    });
  }

  const late: Record<string, readonly [code: string, bytes: Buffer]> = {
    "a priority of four bytes": ["FRAME_SIZE_ERROR", frame(FrameType.Priority, 0, 1, uint32(0))],
    "a window update of nothing": ["PROTOCOL_ERROR", frame(FrameType.WindowUpdate, 0, 1, uint32(0))],
  };
  for (const [name, [code, bytes]] of Object.entries(late)) {
    test(`${name}, though the stream is over`, async () => {
      await using stage = await startStage();
      stage.client.request(1, true);
      await stage.client.until(() => stage.client.endOf(1) === "end");
      stage.client.socket.write(bytes);
      await stage.client.until(() => stage.client.endOf(1) !== "end");
      assert.equal(stage.client.endOf(1), code);
      stage.client.request(3, true);
      await stage.client.until(() => stage.client.endOf(3) === "end");
      assert.equal(stage.client.goaway, "");
    });
  }
});

describe("limits of HTTP/2 clients", () => {
  const heads: Record<string, readonly [status: number, fields: readonly Pair[]]> = {
    "too many fields": [431, [...GET, ...Array.from({ length: 20 }, (_, i): Pair => [`x-${i}`, "1"])]],
    "too large a head": [431, [...GET, ["x-large", "1".repeat(3000)]]],
    "too long a path": [414, [...GET.slice(0, 3), [":path", `/${"1".repeat(600)}`]]],
    "too large a body by its own word": [413, [...POST, ["content-length", "1001"]]],
    "an expectation that nobody knows": [417, [...GET, ["expect", "more"]]],
    "a protocol that nobody knows": [501, [[":method", "CONNECT"], [":protocol", "x"], ...GET.slice(1)]],
  };
  for (const [name, [status, fields]] of Object.entries(heads)) {
    test(name, async () => {
      const head = { requestLine: 500, bytes: 2000, fields: 10 };
      await using stage = await startStage({ settings: { head, bodyBytes: 1000 } });
      stage.client.request(1, status !== 413, fields);
      assert.equal(await stage.client.statusOf(1), status);
      stage.client.request(3, true);
      await stage.client.until(() => stage.client.endOf(3) === "end");
    });
  }

  test("a head as large as the listener takes, in as many frames as that needs", async () => {
    const head = { requestLine: 500, bytes: 300_000, fields: 10 };
    await using stage = await startStage({ settings: { head } });
    stage.client.request(1, true, [...GET, ["x-large", "1".repeat(280_000)]]);
    assert.equal(await stage.client.statusOf(1), 200);
  });

  test("a body that gets too large", async () => {
    await using stage = await startStage({ phases: reading, settings: { bodyBytes: 10 } });
    stage.client.request(1, false, POST);
    await stage.client.sendBody(1, Buffer.alloc(11));
    assert.equal(await stage.client.statusOf(1), 413);
  });

  test("a body of single bytes that nobody takes is held, and whole in the end", async () => {
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let body = "";
    const requestFilter = async (session: Session): Promise<boolean> => {
      await gate;
      body = (await session.readBody()).toString();
      return session.respond({ status: 200, body: "ok" });
    };
    await using stage = await startStage({ phases: { requestFilter } });
    stage.client.request(1, false, POST);
    const pieces = Array.from({ length: 20_000 }, (_, i) => frame(FrameType.Data, 0, 1, String(i).slice(-3)));
    stage.client.socket.write(Buffer.concat([...pieces, frame(FrameType.Data, EndStream, 1)]));
    stage.client.sendPing("all came");
    await stage.client.until(() => stage.client.notes.includes("ping ack all came"));
    goOn();
    await stage.client.until(() => stage.client.endOf(1) === "end");
    assert.equal(body, Array.from({ length: 20_000 }, (_, i) => String(i).slice(-3)).join(""));
  });

  test("a body that doesn't come", async () => {
    await using stage = await startStage({ phases: reading, settings: { bodyTimeout: 100 } });
    stage.client.request(1, false, POST);
    assert.equal(await stage.client.statusOf(1), 408);
  });

  test("a header block that doesn't go on", async () => {
    await using stage = await startStage({ settings: { headTimeout: 150 } });
    stage.client.request(1, true);
    await stage.client.until(() => stage.client.endOf(1) === "end");
    stage.client.socket.write(frame(FrameType.Headers, EndStream, 3, "\x82"));
    await stage.client.until(() => stage.client.goaway !== "");
    assert.match(stage.client.goaway, /^NO_ERROR/);
    assert.equal(stage.proxy.counters.get(Counter.timeouts), 1);
    await until("the connection is closed", () => stage.client.closed);
  });

  test("more streams than are allowed", async () => {
    await using stage = await startStage({ phases: waiting });
    for (let i = 0; i < 129; i++) stage.client.request(1 + 2 * i, true);
    await stage.client.until(() => stage.client.endOf(257) !== "");
    assert.equal(stage.client.endOf(257), "REFUSED_STREAM");
    assert.equal(stage.proxy.counters.get(Counter.requestsActive), 128);
  });
});

const reading = {
  requestFilter: async (session: Session) => {
    await session.readBody();
    return session.respond({ status: 200, body: "ok" });
  },
};
