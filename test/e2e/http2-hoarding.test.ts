import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import { SettingId } from "../../src/http2/settings.ts";
import type { Session } from "../../src/proxy/session.ts";
import { until } from "../kit/deadline.ts";
import { integer, literals } from "../kit/hpack.ts";
import { connectFrames, type FrameClient, POST } from "../kit/http2-frame-client.ts";
import { frame, uint32 } from "../kit/http2-frames.ts";
import { usedMemory } from "../kit/memory.ts";
import { startOrigin } from "../kit/origins.ts";
import { standstill, startProxy } from "./proxy.ts";

/* What clients of HTTP/2 may have us keep for them, and for how long. */

const MB = 1024 * 1024;
const { EndStream, EndHeaders } = FrameFlag;
const answering = { requestFilter: (session: Session) => session.respond({ status: 200, body: "ok" }) };
/** Never answers. */
const waiting = { requestFilter: () => new Promise<boolean>(() => {}) };

describe("header blocks that are small for the client and large for us", () => {
  test("are refused and keep nothing: fields of a table, again and again", async () => {
    await using proxy = await startProxy({ phases: answering });
    await using client = await connectFrames(proxy.port);
    const head = literals([[":method", "GET"], ...POST.slice(1)]);
    // A field with incremental indexing that fills the table, then as many references to it as a frame takes.
    const large = Buffer.concat([
      Buffer.from([0x40, 1, 0x78]),
      integer(3_900, 0x7f, 0),
      Buffer.alloc(3_900, 0x61),
    ]);
    const bomb = Buffer.concat([head, large, Buffer.alloc(12_000, 0xbe)]);
    const count = 100;
    const before = usedMemory();
    for (let id = 1; id <= 2 * count; id += 2) client.sendHeaders(id, bomb, true);
    assert.equal(await client.statusOf(2 * count - 1), 431);
    const grown = usedMemory() - before;
    assert.ok(grown < 4 * MB, `${grown} bytes more for ${count} times ${12_000 * 3_900}`);
    assert.equal(proxy.count("requestsRefused"), count);
    client.request(2 * count + 1, true);
    assert.equal(await client.statusOf(2 * count + 1), 200);
  });

  test("are refused: crumbs of a cookie", async () => {
    await using proxy = await startProxy({ phases: answering });
    await using client = await connectFrames(proxy.port);
    const head = literals([[":method", "GET"], ...POST.slice(1)]);
    // "cookie" without a value, an index of the static table.
    client.sendHeaders(1, Buffer.concat([head, Buffer.alloc(10_000, 0xa0)]), true);
    assert.equal(await client.statusOf(1), 431);
  });

  test("a table that a client allows us is not filled without end", async () => {
    let answered = 0;
    const requestFilter = (session: Session): boolean => {
      answered++;
      return session.respond({ status: 200, headers: { "x-answer": `${answered}`.padEnd(200, "-") } });
    };
    await using proxy = await startProxy({ phases: { requestFilter } });
    await using client = await connectFrames(proxy.port);
    client.sendSettings([[SettingId.HeaderTableSize, 0x7fff_ffff]]);
    await askAll(client, 1, 500);
    const before = usedMemory();
    await askAll(client, 501, 5_000);
    const grown = usedMemory() - before;
    assert.ok(grown < 6 * MB, `${grown} bytes more for ${answered} answers`);
  });
});

/** Asks `count` times, some at a time; the first stream is number `first`, counted from 1. What is heard is forgotten. */
async function askAll(client: FrameClient, first: number, count: number): Promise<void> {
  for (let asked = 0; asked < count; asked += 50) {
    for (let i = 0; i < 50; i++) client.request(2 * (first + asked + i) - 1, true);
    const last = 2 * (first + asked + 49) - 1;
    await client.until(() => client.endOf(last) === "end");
    client.forget();
  }
}

test("a connection that carries thousands of requests doesn't grow", async () => {
  await using proxy = await startProxy({ phases: answering });
  await using client = await connectFrames(proxy.port);
  await askAll(client, 1, 2_000);
  const before = usedMemory();
  await askAll(client, 2_001, 10_000);
  // What came last is let go of a moment later than it is heard of.
  await until("the memory of 10,000 requests is given back", () => usedMemory() - before < 2 * MB);
  assert.equal(proxy.count("requests"), 12_000);
});

/** Responses without an end, and how much of them was asked for. */
function endless(): { readonly pulled: () => number; readonly phases: object } {
  const piece = Buffer.alloc(16_384, "x");
  let pulled = 0;
  async function* body(): AsyncGenerator<Buffer> {
    for (;;) {
      pulled += piece.length;
      yield piece;
    }
  }
  const requestFilter = (session: Session): boolean => session.respond({ status: 200, body: body() });
  return { pulled: () => pulled, phases: { requestFilter } };
}

describe("clients that don't take their responses", () => {
  const STREAMS = 100;

  test("windows that are never opened: little is made for them, and they are given up", async () => {
    const { pulled, phases } = endless();
    await using proxy = await startProxy({ phases, settings: { writeTimeout: 1_000 } });
    await using client = await connectFrames(proxy.port);
    client.sendSettings([[SettingId.InitialWindowSize, 0]]);
    for (let i = 0; i < STREAMS; i++) client.request(1 + 2 * i, true);
    await client.until(() => client.endOf(2 * STREAMS - 1) !== "");
    assert.ok(pulled() <= STREAMS * 65_536, `${pulled()} bytes were made`);
    for (let i = 0; i < STREAMS; i++) assert.equal(client.endOf(1 + 2 * i), "CANCEL");
    await until("they are over", () => proxy.count("requestsActive") === 0);
    assert.equal(proxy.count("timeouts"), STREAMS);
    assert.equal(client.goaway, "");
  });

  test("windows that are never opened: of large bodies little is kept", async () => {
    const body = Buffer.alloc(4 * MB);
    const phases = { requestFilter: (session: Session) => session.respond({ status: 200, body }) };
    await using proxy = await startProxy({ phases });
    const kept = await keptFor(proxy.port, "/");
    assert.ok(kept < 16 * MB, `${kept} bytes are kept`);
  });

  test("windows that are never opened: of servers' responses little is kept", async () => {
    await using origin = await startOrigin();
    await using proxy = await startProxy({ origin });
    const kept = await keptFor(proxy.port, "/bytes/4000000");
    assert.ok(kept < 40 * MB, `${kept} bytes are kept`);
  });

  test("a window of the connection that is never opened", async () => {
    const { pulled, phases } = endless();
    await using proxy = await startProxy({ phases, settings: { writeTimeout: 1_000 } });
    await using client = await connectFrames(proxy.port);
    client.mutesWindows = true;
    for (let i = 0; i < STREAMS; i++) client.request(1 + 2 * i, true);
    await client.until(() => client.endOf(2 * STREAMS - 1) !== "");
    assert.ok(pulled() <= 65_536 + STREAMS * 65_536, `${pulled()} bytes were made`);
    await until("they are over", () => proxy.count("requestsActive") === 0);
  });

  test("a window that is opened byte by byte is a flood", async () => {
    const { pulled, phases } = endless();
    await using proxy = await startProxy({ phases });
    await using client = await connectFrames(proxy.port);
    client.mutesWindows = true;
    client.sendSettings([[SettingId.InitialWindowSize, 0]]);
    client.request(1, true);
    await client.statusOf(1);
    for (let frames = 0; client.goaway === ""; frames = client.order.length) {
      client.socket.write(frame(FrameType.WindowUpdate, 0, 1, uint32(1)));
      await client.until(() => client.order.length > frames || client.goaway !== "");
    }
    assert.match(client.goaway, /^ENHANCE_YOUR_CALM/);
    assert.equal(proxy.count("http2WindowUpdateFloods"), 1);
    assert.ok(pulled() <= 65_536);
  });

  test("a connection that nobody reads: what is made is bounded, and it is closed", async () => {
    const { pulled, phases } = endless();
    await using proxy = await startProxy({ phases, settings: { writeTimeout: 1_500 } });
    await using client = await connectFrames(proxy.port);
    openWindows(client);
    for (let i = 0; i < STREAMS; i++) client.request(1 + 2 * i, true);
    await client.statusOf(1);
    client.socket.pause();
    const made = await stillAt(pulled);
    assert.ok(made < 40 * MB, `${made} bytes were made`);
    await proxy.settled();
    assert.ok(proxy.count("timeouts") > 0);
  });

  test("answers to pings that nobody reads are a flood", async () => {
    const { pulled, phases } = endless();
    await using proxy = await startProxy({ phases });
    await using client = await connectFrames(proxy.port);
    openWindows(client);
    client.request(1, true);
    await client.statusOf(1);
    client.socket.pause();
    await stillAt(pulled);
    for (let i = 0; i < 1_500; i++) client.sendPing("12345678");
    await until("they were too many", () => proxy.count("http2UnreadFloods") === 1);
    await proxy.settled();
  });
});

describe("an answer that goes on and on ends with its stream:", () => {
  const ends: Record<string, (client: FrameClient) => void> = {
    "the client resets it": (client) => client.socket.write(frame(FrameType.ResetStream, 0, 1, uint32(8))),
    "we have to reset it": (client) => client.socket.write(frame(FrameType.WindowUpdate, 0, 1, uint32(0))),
    "the connection is broken": (client) => client.socket.write(frame(FrameType.Ping, 0, 1, "12345678")),
    "the client leaves": (client) => client.socket.end(),
  };
  for (const [name, end] of Object.entries(ends)) {
    test(name, async () => {
      let isOver = false;
      async function* body(): AsyncGenerator<Buffer> {
        try {
          for (;;) yield Buffer.alloc(16_384);
        } finally {
          isOver = true;
        }
      }
      const requestFilter = (session: Session): boolean => session.respond({ status: 200, body: body() });
      await using proxy = await startProxy({ phases: { requestFilter } });
      await using client = await connectFrames(proxy.port);
      client.mutesWindows = true;
      client.request(1, false, POST);
      await client.until(() => client.order.length > 3);
      end(client);
      await until("the answer is over", () => isOver && proxy.count("requestsActive") === 0);
    });
  }
});

/** What is kept for a client that asks often and takes nothing. */
async function keptFor(port: number, path: string): Promise<number> {
  await using client = await connectFrames(port);
  client.sendSettings([[SettingId.InitialWindowSize, 0]]);
  const before = usedMemory();
  for (let i = 0; i < 100; i++) {
    client.request(1 + 2 * i, true, [[":method", "GET"], ...POST.slice(1, 3), [":path", path]]);
  }
  for (let i = 0; i < 100; i++) await client.statusOf(1 + 2 * i);
  client.sendPing("all came");
  await client.until(() => client.notes.includes("ping ack all came"));
  return usedMemory() - before;
}

/** The windows of a client that would take anything. */
function openWindows(client: FrameClient): void {
  client.sendSettings([[SettingId.InitialWindowSize, 0x7fff_ffff]]);
  client.socket.write(frame(FrameType.WindowUpdate, 0, 0, uint32(0x7fff_0000)));
}

async function stillAt(value: () => number): Promise<number> {
  await standstill(value);
  return value();
}

describe("requests that never end", () => {
  test("while nobody takes their bodies, no more of them comes than windows hold", async () => {
    await using proxy = await startProxy({ phases: waiting });
    await using client = await connectFrames(proxy.port);
    const before = usedMemory();
    const ids = Array.from({ length: 100 }, (_, i) => 1 + 2 * i);
    for (const id of ids) client.request(id, false, POST);
    const sent = await sendAll(client, ids);
    assert.ok(sent > 2 * MB && sent <= 100 * 65_535 + 4 * MB, `${sent} bytes were sent`);
    const grown = usedMemory() - before;
    assert.ok(grown < 16 * MB, `${grown} bytes more`);
  });

  test("and are answered are reset after a while, so that others may be opened", async () => {
    await using proxy = await startProxy({ phases: answering });
    await using client = await connectFrames(proxy.port);
    for (let i = 0; i < 128; i++) client.request(1 + 2 * i, false, POST);
    await client.until(() => client.endOf(255) === "NO_ERROR");
    for (let i = 0; i < 128; i++) assert.equal(client.endOf(1 + 2 * i), "NO_ERROR");
    client.request(257, true);
    assert.equal(await client.statusOf(257), 200);
    assert.deepEqual([client.goaway, proxy.count("http2Floods")], ["", 0]);
  });

  test("and are reset by us in great numbers are no flood of the client's, for it was answered", async () => {
    await using proxy = await startProxy({ phases: answering, http2: { maxConcurrentStreams: 2_000 } });
    await using client = await connectFrames(proxy.port);
    for (let i = 0; i < 1_500; i++) client.request(1 + 2 * i, false, POST);
    await client.until(() => client.endOf(2_999) === "NO_ERROR");
    assert.deepEqual([client.goaway, proxy.count("http2Floods")], ["", 0]);
  });
});

/** Sends what all windows let through. */
async function sendAll(client: FrameClient, ids: readonly number[]): Promise<number> {
  let sent = 0;
  await standstill(() => {
    for (const id of ids) {
      const room = client.roomOf(id);
      if (room > 0) void client.sendPiece(id, Buffer.alloc(room));
      sent += room;
    }
    return sent;
  });
  return sent;
}

describe("a client that says GOAWAY", () => {
  test("gets what it asked for before, and the connection is closed then", async () => {
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const requestFilter = async (session: Session): Promise<boolean> => {
      await gate;
      return session.respond({ status: 200, body: "ok" });
    };
    await using proxy = await startProxy({ phases: { requestFilter } });
    await using client = await connectFrames(proxy.port);
    client.request(1, true);
    client.socket.write(frame(FrameType.Goaway, 0, 0, uint32(0, 0)));
    await client.until(() => client.goaway !== "");
    goOn();
    await client.until(() => client.endOf(1) === "end");
    await until("the connection is closed", () => client.closed);
    await proxy.settled();
  });

  test("and goes on asking is refused once it has heard that it may not", async () => {
    await using proxy = await startProxy({ phases: waiting });
    await using client = await connectFrames(proxy.port);
    client.request(1, true);
    client.socket.write(frame(FrameType.Goaway, 0, 0, uint32(0, 0)));
    await client.until(() => client.notes.filter((note) => note.startsWith("goaway")).length === 2);
    for (let id = 3; id < 2_000; id += 2) client.request(id, true);
    client.sendPing("all came");
    await client.until(() => client.notes.includes("ping ack all came"));
    assert.equal(proxy.count("requests"), 1);
  });

  test("with an error is let go at once", async () => {
    await using proxy = await startProxy({ phases: waiting });
    await using client = await connectFrames(proxy.port);
    for (let id = 1; id < 100; id += 2) client.request(id, true);
    client.socket.write(frame(FrameType.Goaway, 0, 0, uint32(0x7fff_ffff, 2)));
    await until("the connection is closed", () => client.closed);
    await proxy.settled();
  });

  test("on a stream, or too short, breaks a rule", async () => {
    for (const bad of [
      frame(FrameType.Goaway, 0, 1, uint32(0, 0)),
      frame(FrameType.Goaway, 0, 0, uint32(0)),
    ]) {
      await using proxy = await startProxy({ phases: waiting });
      await using client = await connectFrames(proxy.port);
      client.socket.write(frame(FrameType.Headers, EndStream | EndHeaders, 1, "\x82\x86\x84\x01\x01a"));
      client.socket.write(bad);
      await client.until(() => client.goaway !== "");
      assert.match(client.goaway, /^(PROTOCOL|FRAME_SIZE)_ERROR/);
    }
  });
});
