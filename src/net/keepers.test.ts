import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { acceptTransport } from "../../test/kit/accepted-transport.ts";
import { until } from "../../test/kit/deadline.ts";
import { PatternVerifier, patternBytes } from "../../test/kit/pattern.ts";
import { beginHandOver, endHandOver, type Gatherer, type Keeper } from "./keepers.ts";
import { copyOnWrite } from "./slabs.ts";
import type { Transport } from "./transport.ts";

const SIZE = 1024 * 1024;
const PIECE = 60_000;

/** Memory as threads share it, whose bytes are kept while writes refer to them. */
class SharedBytes implements Keeper {
  readonly bytes: Buffer = Buffer.from(new SharedArrayBuffer(SIZE));
  gatherer: Gatherer | null = null;
  pending = 0;

  constructor() {
    copyOnWrite(this.bytes);
  }

  keep(): void {
    this.pending++;
  }

  letGo(): void {
    this.pending--;
  }

  /** In pieces, as stores have them. */
  send(transport: Transport): void {
    const before = beginHandOver(this);
    for (let at = 0; at < SIZE; at += PIECE) transport.send(this.bytes, at, Math.min(at + PIECE, SIZE));
    endHandOver(this, before);
  }
}

describe("bytes that other threads may have next", () => {
  test("are written from where they are while somebody keeps them, and only as long as writes wait", async () => {
    await using pair = await acceptTransport();
    const { transport, client } = pair;
    const shared = new SharedBytes();
    const verifier = new PatternVerifier();
    client.pause();
    let sent = 0;
    while (shared.pending === 0) {
      patternBytes(SIZE, sent).copy(shared.bytes);
      shared.send(transport);
      sent += SIZE;
    }
    assert.ok(transport.hasUnsent);
    client.resume();
    while (verifier.offset < sent) verifier.write(await client.readSome());
    await until("they are let go of", () => shared.pending === 0);
  });

  test("are let go of when the connection is gone", async () => {
    await using pair = await acceptTransport();
    const { transport, client } = pair;
    const shared = new SharedBytes();
    client.pause();
    while (shared.pending === 0) shared.send(transport);
    transport.destroy();
    await until("they are let go of", () => shared.pending === 0);
  });

  test("are copied where nobody keeps them, and when they leave with what is gathered", async () => {
    await using pair = await acceptTransport();
    const { transport, client } = pair;
    const shared = new SharedBytes();
    client.pause();
    let sent = 0;
    while (!transport.hasUnsent) {
      patternBytes(SIZE, sent).copy(shared.bytes);
      transport.send(shared.bytes, 0, SIZE);
      sent += SIZE;
    }
    shared.bytes.fill(0);
    client.resume();
    const verifier = new PatternVerifier();
    while (verifier.offset < sent) verifier.write(await client.readSome());
    const before = beginHandOver(shared);
    patternBytes(SIZE, sent).copy(shared.bytes);
    transport.sendText("head");
    transport.send(shared.bytes, 0, 32 * 1024);
    endHandOver(shared, before);
    shared.bytes.fill(0);
    assert.equal((await client.readExactly(4)).toString(), "head");
    verifier.write(await client.readExactly(32 * 1024));
    assert.equal(shared.pending, 0);
  });
});
