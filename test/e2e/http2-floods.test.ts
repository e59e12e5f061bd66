import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Counter, type CounterName } from "../../src/base/counters.ts";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import { SettingId } from "../../src/http2/settings.ts";
import type { Session } from "../../src/proxy/session.ts";
import { until } from "../kit/deadline.ts";
import { connectFrames, type FrameClient, POST } from "../kit/http2-frame-client.ts";
import { frame, uint32 } from "../kit/http2-frames.ts";
import { startOrigin } from "../kit/origins.ts";
import { type ProxyUnderTest, startProxy } from "./proxy.ts";

const { EndStream } = FrameFlag;
const CANCEL = uint32(8);
const answering = { requestFilter: (session: Session) => session.respond({ status: 200, body: "ok" }) };

function repeat(count: number, bytes: (index: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => bytes(i)));
}

function settings(list: readonly (readonly [id: number, value: number])[]): Buffer {
  const pairs = list.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id & 0xff]), uint32(value)]));
  return frame(FrameType.Settings, 0, 0, Buffer.concat(pairs));
}

interface Flood {
  /** Which counter tells of it */
  readonly counter: CounterName;
  /** What is sent, a few times what is let pass */
  readonly send: (client: FrameClient) => void;
  /** What of it was dealt with, which is next to what is allowed at once; null where nothing can be counted */
  readonly dealtWith?: (client: FrameClient, proxy: ProxyUnderTest) => number;
  readonly most?: number;
}

const requests = (_client: FrameClient, proxy: ProxyUnderTest): number => proxy.count("requests");

/** Each is ended by ENHANCE_YOUR_CALM; what comes behind isn't read any more. */
const floods: Record<string, Flood> = {
  "requests that are reset at once (CVE-2023-44487)": {
    counter: "http2ResetFloods",
    send: (client) => {
      for (let id = 1; id < 10_000; id += 2) {
        client.request(id, false, POST);
        client.socket.write(frame(FrameType.ResetStream, 0, id, CANCEL));
      }
    },
    dealtWith: requests,
    most: 1_200,
  },
  "requests that we are made to reset (CVE-2025-8671)": {
    counter: "http2OwnResetFloods",
    send: (client) => {
      for (let id = 1; id < 3_000; id += 2) {
        client.request(id, false, POST);
        client.socket.write(frame(FrameType.WindowUpdate, 0, id, uint32(0)));
      }
    },
    dealtWith: requests,
    most: 300,
  },
  "requests with DATA behind their end": {
    counter: "http2OwnResetFloods",
    send: (client) => {
      for (let id = 1; id < 3_000; id += 2) {
        client.request(id, true, POST);
        client.socket.write(frame(FrameType.Data, 0, id, "x"));
      }
    },
    dealtWith: requests,
    most: 300,
  },
  "malformed requests": {
    counter: "http2OwnResetFloods",
    send: (client) => {
      for (let id = 1; id < 3_000; id += 2) client.request(id, true, [...POST, ["connection", "x"]]);
    },
    dealtWith: (_client, proxy) => proxy.count("requestsRefused"),
    most: 300,
  },
  "a header block without end": {
    counter: "http2HeaderFloods",
    send: (client) => {
      client.socket.write(frame(FrameType.Headers, EndStream, 1, "\x82"));
      const some = frame(FrameType.Continuation, 0, 1, Buffer.alloc(8_000, 0x82));
      client.socket.write(repeat(400, () => some));
    },
  },
  "a header block in frames without a byte": {
    counter: "http2HeaderFloods",
    send: (client) => {
      client.socket.write(frame(FrameType.Headers, EndStream, 1, "\x82"));
      client.socket.write(repeat(5_000, () => frame(FrameType.Continuation, 0, 1)));
    },
  },
  settings: {
    counter: "http2SettingsFloods",
    send: (client) => client.socket.write(repeat(2_000, () => settings([]))),
    dealtWith: (client) => client.notes.filter((note) => note === "settings ack").length,
    most: 150,
  },
  "settings with thousands of windows, while streams wait": {
    counter: "http2SettingsFloods",
    send: (client) => {
      for (let id = 1; id < 200; id += 2) client.request(id, false, POST);
      const windows = Array.from(
        { length: 2_000 },
        (_, i) => [SettingId.InitialWindowSize, 1_000 + i] as const,
      );
      client.socket.write(repeat(300, () => settings(windows)));
    },
    dealtWith: (client) => client.notes.filter((note) => note === "settings ack").length,
    most: 150,
  },
  "acknowledgements of nothing": {
    counter: "http2SettingsFloods",
    send: (client) => client.socket.write(repeat(2_000, () => frame(FrameType.Settings, FrameFlag.Ack, 0))),
  },
  pings: {
    counter: "http2PingFloods",
    send: (client) => client.socket.write(repeat(20_000, () => frame(FrameType.Ping, 0, 0, "12345678"))),
    dealtWith: (client) => client.notes.filter((note) => note === "ping ack 12345678").length,
    most: 4_000,
  },
  "answers to pings that nobody sent": {
    counter: "http2PingFloods",
    send: (client) =>
      client.socket.write(repeat(20_000, () => frame(FrameType.Ping, FrameFlag.Ack, 0, "12345678"))),
  },
  "DATA without a byte": {
    counter: "http2DataFloods",
    send: (client) => {
      client.request(1, false, POST);
      client.socket.write(repeat(3_000, () => frame(FrameType.Data, 0, 1)));
    },
  },
  "DATA of single bytes": {
    counter: "http2DataFloods",
    send: (client) => {
      client.request(1, false, POST);
      client.socket.write(repeat(60_000, () => frame(FrameType.Data, 0, 1, "x")));
    },
  },
  "DATA of padding": {
    counter: "http2DataFloods",
    send: (client) => {
      client.request(1, false, POST);
      const padded = frame(FrameType.Data, FrameFlag.Padded, 1, Buffer.alloc(256, 0xff).fill(0, 1));
      client.socket.write(repeat(240, () => padded));
    },
  },
  "tiny window updates": {
    counter: "http2WindowUpdateFloods",
    send: (client) =>
      client.socket.write(repeat(20_000, () => frame(FrameType.WindowUpdate, 0, 0, uint32(1)))),
  },
  priorities: {
    counter: "http2IgnoredFloods",
    send: (client) =>
      client.socket.write(repeat(20_000, () => frame(FrameType.Priority, 0, 1, "\0\0\0\0\0"))),
  },
  "priorities of streams that are never opened": {
    counter: "http2IgnoredFloods",
    send: (client) =>
      client.socket.write(
        repeat(20_000, (i) => {
          const told = Buffer.concat([uint32(1 + 2 * i), Buffer.from("u=0")]);
          return frame(FrameType.PriorityUpdate, 0, 0, told);
        }),
      ),
  },
  "frames that nobody knows": {
    counter: "http2IgnoredFloods",
    send: (client) => client.socket.write(repeat(20_000, (i) => frame(0x20 + (i % 64), 0, 0, "x"))),
  },
  "resets of a stream that is over": {
    counter: "http2IgnoredFloods",
    send: (client) => {
      client.request(1, true);
      client.socket.write(repeat(20_000, () => frame(FrameType.ResetStream, 0, 1, CANCEL)));
    },
  },
  "heads on a stream that we have reset": {
    counter: "http2IgnoredFloods",
    send: (client) => {
      client.request(1, false, [...POST, ["connection", "x"]]);
      for (let i = 0; i < 20_000; i++) client.request(1, true);
    },
  },
  "requests behind a GOAWAY": {
    counter: "http2IgnoredFloods",
    send: (client) => {
      client.request(1, false, POST);
      client.socket.write(frame(FrameType.Goaway, 0, 0, uint32(0, 0)));
      void client
        .until(() => client.notes.filter((note) => note.startsWith("goaway")).length === 2)
        .then(() => {
          for (let i = 1; i < 20_000; i++) client.request(1 + 2 * i, true);
        });
    },
  },
  "GOAWAY again and again, with a request under way": {
    counter: "http2IgnoredFloods",
    send: (client) => {
      client.request(1, false, POST);
      client.socket.write(repeat(20_000, () => frame(FrameType.Goaway, 0, 0, uint32(0, 0))));
    },
  },
};

/** Never answers. */
const waiting = { requestFilter: () => new Promise<boolean>(() => {}) };

/** Begins to answer, and never ends. */
const watched = {
  requestFilter: (session: Session) => session.respond({ status: 200, body: endless(session.signal) }),
};

async function* endless(signal: AbortSignal): AsyncGenerator<string> {
  yield "first";
  await once(signal, "abort");
}

describe("floods of", () => {
  for (const [name, { counter, send, dealtWith, most = 0 }] of Object.entries(floods)) {
    test(name, async () => {
      await using proxy = await startProxy({ phases: waiting });
      await using client = await connectFrames(proxy.port);
      send(client);
      await client.until(() => client.goaway.startsWith("ENHANCE_YOUR_CALM"));
      assert.deepEqual([proxy.count("http2Floods"), proxy.count(counter)], [1, 1]);
      await until("the connection is closed", () => client.closed);
      if (dealtWith !== undefined) {
        const count = dealtWith(client, proxy);
        assert.ok(count > 0 && count <= most, `${count} of them`);
      }
      await proxy.settled();
    });
  }
});

test("what is too much may be set, for each kind", async () => {
  await using proxy = await startProxy({ http2: { floods: { ping: { burst: 3, perSecond: 0 } } } });
  await using client = await connectFrames(proxy.port);
  client.socket.write(repeat(4, () => frame(FrameType.Ping, 0, 0, "12345678")));
  await client.until(() => client.goaway.startsWith("ENHANCE_YOUR_CALM"));
  assert.equal(client.notes.filter((note) => note === "ping ack 12345678").length, 3);
  assert.equal(proxy.count("http2PingFloods"), 1);
});

describe("what comes near to a flood and is none:", () => {
  test("calls that are cancelled once their answer has begun", async () => {
    await using proxy = await startProxy({ phases: watched });
    await using client = await connectFrames(proxy.port);
    for (let first = 1; first < 2_600; first += 200) {
      const ids = Array.from({ length: 100 }, (_, i) => first + 2 * i);
      for (const id of ids) client.request(id, true);
      for (const id of ids) assert.equal(await client.statusOf(id), 200);
      for (const id of ids) client.socket.write(frame(FrameType.ResetStream, 0, id, CANCEL));
    }
    await proxy.settled(1);
    assert.deepEqual([client.goaway, proxy.count("http2Floods")], ["", 0]);
  });

  test("calls that were waited for in vain", async () => {
    await using proxy = await startProxy({ phases: waiting });
    await using client = await connectFrames(proxy.port);
    const reset = (id: number): unknown => client.socket.write(frame(FrameType.ResetStream, 0, id, CANCEL));
    for (let id = 1; id < 1_981; id += 2) {
      client.request(id, false, POST);
      reset(id);
    }
    const late = Array.from({ length: 100 }, (_, i) => 2_001 + 2 * i);
    for (const id of late) client.request(id, false, POST);
    await setTimeout(1_200);
    for (const id of late) reset(id);
    await proxy.settled(1);
    assert.deepEqual([client.goaway, proxy.count("http2Floods")], ["", 0]);
  });

  test("resets that cross the end of the answer", async () => {
    await using proxy = await startProxy({ phases: answering });
    await using client = await connectFrames(proxy.port);
    for (let id = 1; id < 12_000; id += 2) {
      client.request(id, true);
      client.socket.write(frame(FrameType.ResetStream, 0, id, CANCEL));
      if (id % 200 === 1) await client.statusOf(id);
    }
    await client.until(() => client.endOf(11_999) === "end");
    assert.deepEqual([client.goaway, proxy.count("http2Floods")], ["", 0]);
  });

  test("requests that are answered pay for those that are cancelled", async () => {
    await using proxy = await startProxy({ phases: answering });
    await using client = await connectFrames(proxy.port);
    for (let id = 1; id < 10_000; id += 4) {
      client.request(id, true);
      client.request(id + 2, false, POST);
      client.socket.write(frame(FrameType.ResetStream, 0, id + 2, CANCEL));
      if (id % 200 === 1) await client.statusOf(id);
    }
    await client.until(() => client.endOf(9_997) === "end");
    assert.deepEqual([client.goaway, proxy.count("http2Floods")], ["", 0]);
  });
});

describe("requests that are reset at once", () => {
  test("leave nothing behind at the server", async () => {
    await using origin = await startOrigin();
    await using proxy = await startProxy({ origin });
    await using client = await connectFrames(proxy.port);
    for (let id = 1; id < 10_000; id += 2) {
      client.request(id, true, [
        [":method", "GET"],
        [":scheme", "http"],
        [":authority", "a"],
        [":path", "/held"],
      ]);
      client.socket.write(frame(FrameType.ResetStream, 0, id, CANCEL));
    }
    await client.until(() => client.goaway.startsWith("ENHANCE_YOUR_CALM"));
    await proxy.settled(1);
    assert.equal(proxy.counters.get(Counter.http2ResetFloods), 1);
    const connects = proxy.count("upstreamConnects");
    assert.ok(connects <= 1_200, `${connects} connections to the server`);
    await until("nothing is left of them", () => proxy.connector.open === 0);
  });
});
