import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Accepted, acceptTransport } from "../../test/kit/accepted-transport.ts";
import { until } from "../../test/kit/deadline.ts";
import { PatternVerifier, patternBytes, patternStream } from "../../test/kit/pattern.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { startRawOrigin } from "../../test/kit/raw-origin.ts";
import { startTransportPipe } from "../../test/kit/transport-pipe.ts";
import { sharedReadSlab } from "./slabs.ts";

describe("a slab of its own", () => {
  const size = 4 * 1024 * 1024;

  test("is taken by a fast connection and given up when little is expected", async () => {
    await using pair = await acceptTransport();
    const { transport, handler, client } = pair;
    const verifier = new PatternVerifier();
    const reads: { readonly isOwn: boolean; readonly size: number }[] = [];
    let isMessageOver = false;
    handler.onBytes = (bytes, start, end) => {
      verifier.write(bytes.subarray(start, end));
      reads.push({ isOwn: bytes.buffer !== sharedReadSlab.buffer.buffer, size: end - start });
      if (isMessageOver) transport.expectLittle();
    };
    // All of it is there when reading begins, so that the first read fills the slab.
    const send = async (): Promise<void> => {
      transport.pause();
      const end = verifier.offset + size;
      void client.write(patternBytes(size, verifier.offset));
      await delay(50);
      transport.resume();
      await until("all came", () => verifier.offset === end);
    };
    await send();
    const kept = reads.findIndex(({ isOwn, size: length }) => isOwn && length >= 64 * 1024);
    assert.ok(kept > 0, "no slab of its own was used");
    assert.equal(reads[kept + 1]?.isOwn, true);
    isMessageOver = true;
    reads.length = 0;
    await send();
    assert.ok(reads.slice(1).every(({ isOwn }) => !isOwn));
  });

  test("is given up by a connection that is paused", async () => {
    await using pair = await acceptTransport();
    const { transport, handler, client } = pair;
    const memories: ArrayBufferLike[] = [];
    handler.onBytes = (bytes) => {
      memories.push(bytes.buffer);
      if (bytes.buffer !== sharedReadSlab.buffer.buffer) transport.pause();
    };
    transport.pause();
    void client.write(patternBytes(size));
    await delay(50);
    transport.resume();
    await until("it took a slab", () => transport.paused);
    const count = memories.length;
    transport.resume();
    await until("it read on", () => memories.length > count);
    assert.equal(memories[count], sharedReadSlab.buffer.buffer);
  });

  test("has as many holders as writes refer to it", async () => {
    // One read brings bytes for two slow peers; the one that drains first must not free the slab under the other.
    await using source = await acceptTransport();
    await using first = await acceptTransport();
    await using second = await acceptTransport();
    for (const { client } of [first, second]) client.pause();
    const expected = { first: new PatternVerifier(1), second: new PatternVerifier(2) };
    const sent = { first: 0, second: 0 };
    const fill = (to: Accepted, seed: "first" | "second"): void => {
      while (!to.transport.hasUnsent) {
        const bytes = patternBytes(1024 * 1024, sent[seed], seed === "first" ? 1 : 2);
        to.transport.send(bytes, 0, bytes.length);
        sent[seed] += bytes.length;
      }
    };
    fill(first, "first");
    fill(second, "second");
    let reads = 0;
    source.handler.onBytes = (bytes, start, end) => {
      if (bytes.buffer === sharedReadSlab.buffer.buffer || end - start < 64 * 1024) return;
      reads++;
      const middle = (start + end) >> 1;
      // What the read brought is replaced by what each peer is to get.
      patternBytes(middle - start, sent.first, 1).copy(bytes, start);
      patternBytes(end - middle, sent.second, 2).copy(bytes, middle);
      sent.first += middle - start;
      sent.second += end - middle;
      first.transport.send(bytes, start, middle);
      second.transport.send(bytes, middle, end);
    };
    void source.client.write(Buffer.alloc(8 * 1024 * 1024));
    await until("there were some", () => reads > 4);
    const check = async (to: Accepted, name: "first" | "second"): Promise<void> => {
      to.client.resume();
      while (expected[name].offset < sent[name]) expected[name].write(await to.client.readSome());
    };
    await until("nothing comes any more", async () => {
      const before = reads;
      await delay(30);
      return before === reads;
    });
    await check(first, "first");
    // Reads into whatever slabs are free by now.
    let overwritten = 0;
    source.handler.onBytes = (bytes, start, end) => {
      bytes.fill(0, start, end);
      overwritten += end - start;
    };
    source.transport.pause();
    void source.client.write(Buffer.alloc(size));
    await delay(50);
    source.transport.resume();
    await until("they are overwritten", () => overwritten === size);
    await check(second, "second");
  });
});

describe("two transports joined", () => {
  test("hold no more than a bounded part of what a slow reader doesn't take", async () => {
    const size = 60 * 1024 * 1024;
    let written = 0;
    await using origin = await startRawOrigin(async ({ socket }) => {
      const stream = patternStream(size, 5);
      stream.on("data", (chunk: Buffer) => {
        written += chunk.length;
      });
      stream.pipe(socket);
      await once(socket, "close");
    });
    await using pipe = await startTransportPipe({ kind: "tcp", host: "127.0.0.1", port: origin.port });
    const piped = pipe.next();
    await using client = await connectRaw(pipe.port);
    client.pause();
    const near = await piped;
    let waiting = 0;
    await until("nothing moves any more", async () => {
      const before = written;
      await delay(100);
      waiting = Math.max(waiting, near.transport.unsentBytes);
      return before > 0 && before === written;
    });
    assert.ok(waiting > 0 && waiting < 1024 * 1024, `${waiting} bytes wait`);
    assert.ok(near.other.transport.paused);
    const verifier = new PatternVerifier(5);
    client.resume();
    while (verifier.offset < size) verifier.write(await client.readSome());
  });

  test("pass ends and resets on", async () => {
    await using origin = await startRawOrigin(async (connection) => {
      const heard = await connection.readToEnd();
      connection.end(`heard ${heard.length}`);
    });
    await using pipe = await startTransportPipe({ kind: "tcp", host: "127.0.0.1", port: origin.port });
    await using client = await connectRaw(pipe.port);
    client.end(patternBytes(300_000));
    assert.equal((await client.readToEnd()).toString(), "heard 300000");

    await using breaking = await startRawOrigin([
      { read: 1 },
      { send: "part" },
      { read: 1 },
      { close: "reset" },
    ]);
    await using second = await startTransportPipe({ kind: "tcp", host: "127.0.0.1", port: breaking.port });
    await using other = await connectRaw(second.port);
    void other.write("x");
    assert.equal((await other.readExactly(4)).toString(), "part");
    void other.write("y");
    assert.equal(await other.closed, "reset");
  });
});
