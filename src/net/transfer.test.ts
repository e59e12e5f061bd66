import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../../test/fuzz/random.ts";
import { patience, withDeadline } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { PatternVerifier, patternStream } from "../../test/kit/pattern.ts";
import { listen } from "../../test/kit/ports.ts";
import { type PipeOptions, startTransportPipe } from "../../test/kit/transport-pipe.ts";
import { overSocket } from "./onread-socket.ts";

/*
 * What no other test can show: that no read ever goes into bytes that a pending write still refers to. Slow readers make
 * writes pend, many at once make slabs change hands, and every byte says whose it is and where it belongs.
 */

const CONNECTIONS = 64;
/** Several times what the kernel's buffers hold. */
const SIZE = 1024 * 1024 + 4321;

/** Reads everything, checking it, with pauses of any length at any place. */
async function readSlowly(socket: Socket, seed: number): Promise<number> {
  const random = new Random(seed);
  const verifier = new PatternVerifier(seed);
  socket.on("data", (chunk: Buffer) => {
    verifier.write(chunk);
    if (random.below(6) > 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), random.below(12));
  });
  socket.pause();
  // Some begin late: all that the kernel has room for, and more, waits for them.
  if (random.below(3) === 0) await delay(random.below(150));
  socket.resume();
  await withDeadline(
    once(socket, "end"),
    6 * patience,
    () => `the end of ${seed} after ${verifier.offset} bytes`,
  );
  return verifier.offset;
}

/** The server's part, told by the first byte whose it is. */
async function answer(socket: Socket, seed: number, direction: "down" | "up"): Promise<void> {
  if (direction === "down") await pipeline(patternStream(SIZE, seed), socket);
  else {
    assert.equal(await readSlowly(socket, seed), SIZE);
    socket.end();
  }
}

/**
 * Over Unix sockets, whose kernel buffers hold 200 KB: those of TCP grow to many megabytes, so that hardly a write would
 * have to wait.
 */
async function transferAll(options: PipeOptions, direction: "down" | "up"): Promise<void> {
  await using directory = await createTemporaryDirectory();
  const path = { origin: directory.join("origin"), pipe: directory.join("pipe") };
  const outcomes: Promise<void>[] = [];
  const sockets = new Set<Socket>();
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("data", (first: Buffer) => {
      socket.pause();
      if (first.length > 1) socket.unshift(first.subarray(1));
      outcomes.push(answer(socket, first[0]!, direction));
    });
  };
  const origin = createServer({ allowHalfOpen: true }, serve);
  await listen(origin, { path: path.origin });
  await using pipe = await startTransportPipe({ kind: "unix", path: path.origin }, options, path.pipe);

  const clients = Array.from({ length: CONNECTIONS }, async (_, seed) => {
    const socket = connect({ path: path.pipe, allowHalfOpen: true });
    sockets.add(socket);
    await once(socket, "connect");
    socket.write(Buffer.of(seed));
    if (direction === "down") assert.equal(await readSlowly(socket, seed), SIZE);
    else {
      await pipeline(patternStream(SIZE, seed), socket, { end: false });
      socket.end();
      socket.resume();
      await withDeadline(once(socket, "end"), 6 * patience, () => `the server to end ${seed}`);
    }
    socket.destroy();
  });
  try {
    await Promise.all(clients);
    await Promise.all(outcomes);
    assert.equal(pipe.near.length, CONNECTIONS);
  } finally {
    origin.close();
    for (const socket of sockets) socket.destroy();
  }
}

describe("every byte arrives, for many slow readers at once", () => {
  const ways: Record<string, PipeOptions> = {
    "through slabs of their own": {},
    "through the shared slab alone": { sharedSlabOnly: true },
    "by way of 'data' events": { adopt: overSocket },
    "without backpressure": { ignoresBackpressure: true },
  };
  for (const [name, options] of Object.entries(ways)) {
    for (const direction of ["down", "up"] as const) {
      test(`${name}, ${direction}stream`, () => transferAll(options, direction));
    }
  }
});
