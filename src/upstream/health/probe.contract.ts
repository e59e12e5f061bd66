import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { Server } from "node:net";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { patience, until, withDeadline } from "../../../test/kit/deadline.ts";
import { startDeafServer } from "../../../test/kit/deaf-server.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { freePort, type ListenOptions, listen } from "../../../test/kit/ports.ts";
import { type RawScript, startRawOrigin } from "../../../test/kit/raw-origin.ts";
import { type Address, parseAddress } from "../../net/address.ts";
import type { Probe, ProbeResult } from "./probe.ts";

export interface ProbeSubject {
  create(): Probe;
  /** A server that `create`'s probes find well; it listens nowhere yet. */
  createServer(): Server;
  /** Whether a connection is all that it asks for. */
  readonly onlyConnects: boolean;
}

/** A server on a port of its own, or where `options` say, until the end of the scope. */
export async function serve(
  server: Server,
  options: ListenOptions = {},
): Promise<AsyncDisposable & { readonly address: Address; connections: number; open: number }> {
  const facts = { connections: 0, open: 0 };
  server.on("connection", (socket) => {
    facts.connections++;
    facts.open++;
    socket.on("error", () => undefined);
    socket.once("close", () => facts.open--);
  });
  const port = await listen(server, options);
  const address = parseAddress(options.path ?? `127.0.0.1:${port}`);
  return Object.assign(facts, {
    address,
    [Symbol.asyncDispose]: async () => void (await new Promise((closed) => server.close(closed))),
  });
}

/** Runs a probe once, and checks what holds for every result; null says that the server is well. */
export async function examine(
  probe: Probe,
  address: Address | string,
  controller: AbortController = new AbortController(),
): Promise<string | null> {
  const run = probe.run(typeof address === "string" ? parseAddress(address) : address, controller.signal);
  const result = await withDeadline(run, patience, () => `the result of a probe`);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  return reasonOf(result);
}

function reasonOf(result: ProbeResult): string | null {
  if (result.isHealthy) return null;
  assert.match(result.reason, /^[\x20-\x7e…]{4,120}$/, "a short line for people");
  return result.reason;
}

/** Sockets and what else of the kind this process has open. */
function countHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => /TCP|Pipe|TLS|HTTP2/i.test(name)).length;
}

/** Runs `body`, and waits until there are no more handles than before. */
async function leavesNothing(body: () => Promise<void>): Promise<void> {
  const before = countHandles();
  await body();
  await until("nothing is left", () => countHandles() <= before);
}

/** What a server does to a connection that has come about, and what probes that ask for more say to that. */
const MISBEHAVIOURS: readonly (readonly [name: string, script: RawScript, reason: RegExp])[] = [
  ["closes at once", [{ close: "both" }], /^((read|write) (ECONNRESET|EPIPE)|closed by the server)$/],
  ["ends and reads on", [{ close: "half" }], /^closed by the server$/],
  ["resets", [{ close: "reset" }], /^((connect|read|write) (ECONNRESET|EPIPE)|closed by the server)$/],
  ["speaks another protocol", [{ send: "SSH-2.0-OpenSSH_9.9\r\n" }], /^(TLS: |no HTTP: |HTTP\/2: )/],
];

/** What holds for every probe. */
export function testProbe(name: string, subject: ProbeSubject): void {
  describe(`${name} as a probe`, () => {
    testContact(subject);
    testEnd(subject);
    testTrouble(subject);
  });
}

/** Whom it reaches, and what it says when it reaches nobody. */
function testContact({ create, createServer }: ProbeSubject): void {
  test("finds a server well, again and again, and closes its connections", () =>
    leavesNothing(async () => {
      await using server = await serve(createServer());
      const probe = create();
      for (let i = 0; i < 5; i++) assert.equal(await examine(probe, server.address), null);
      const runs = Array.from({ length: 20 }, () => examine(probe, server.address));
      assert.deepEqual(new Set(await Promise.all(runs)), new Set([null]));
      await until("all have come and gone", () => server.connections === 25 && server.open === 0);
    }));

  test("reaches a server by name and over a Unix socket", async () => {
    await using directory = await createTemporaryDirectory();
    const path = directory.join("server.sock");
    await using behindSocket = await serve(createServer(), { path });
    assert.equal(await examine(create(), behindSocket.address), null);
    await using named = await serve(createServer());
    assert.ok(named.address.kind === "tcp");
    assert.equal(await examine(create(), { ...named.address, host: "localhost" }), null);
    assert.equal(await examine(create(), { ...named.address, host: "" }), null);
    assert.equal(await examine(create(), `unix:${directory.join("nobody.sock")}`), "connect ENOENT");
  });

  test("says that a connection was refused", () =>
    leavesNothing(async () => {
      const port = await freePort();
      assert.equal(await examine(create(), `127.0.0.1:${port}`), "connect ECONNREFUSED");
      assert.equal(await examine(create(), `localhost:${port}`), "connect ECONNREFUSED");
    }));

  test("says what is wrong with an address", async () => {
    assert.match((await examine(create(), { kind: "tcp", host: "127.0.0.1", port: 70000 })) ?? "", /70000/);
  });
}

/** That it can be given up at any time. */
function testEnd({ create, createServer, onlyConnects }: ProbeSubject): void {
  test("gives up when no connection comes about", async () => {
    await using deaf = await startDeafServer();
    await leavesNothing(async () => {
      const controller = new AbortController();
      const run = examine(create(), `127.0.0.1:${deaf.port}`, controller);
      await nextTurn();
      controller.abort("no answer within 7 ms");
      assert.equal(await run, "no answer within 7 ms");
    });
  });

  test("gives up when no answer comes", () =>
    leavesNothing(async () => {
      await using silent = await startRawOrigin([]);
      const controller = new AbortController();
      const run = examine(create(), silent.address, controller);
      const connection = await silent.connection(0);
      if (!onlyConnects) {
        await connection.readSome();
        controller.abort(new Error("had enough"));
      }
      assert.equal(await run, onlyConnects ? null : "had enough");
      assert.match(await withDeadline(connection.closed, patience, () => "the end"), /^(end|reset)$/);
    }));

  test("doesn't even begin when it is given up already", () =>
    leavesNothing(async () => {
      await using server = await serve(createServer());
      const controller = new AbortController();
      controller.abort("too late");
      assert.equal(await examine(create(), server.address, controller), "too late");
      await nextTurn();
      assert.equal(server.connections, 0);
    }));

  test("is not troubled by a signal that comes after the result", async () => {
    await using server = await serve(createServer());
    const controller = new AbortController();
    assert.equal(await examine(create(), server.address, controller), null);
    controller.abort();
  });
}

/** What it makes of servers that do something else than they should. */
function testTrouble({ create, onlyConnects }: ProbeSubject): void {
  for (const [what, script, reason] of MISBEHAVIOURS) {
    test(`judges a server that ${what}`, () =>
      leavesNothing(async () => {
        await using origin = await startRawOrigin(script);
        const found = await examine(create(), origin.address);
        // A reset may even come before anybody looked at the connection.
        if (onlyConnects) assert.ok(found === null || found === "connect ECONNRESET", found ?? "");
        else assert.match(found ?? "well", reason);
      }));
  }

  test("takes no noise for an answer, and survives it", () =>
    leavesNothing(async () => {
      let noise: Uint8Array = Buffer.alloc(0);
      await using origin = await startRawOrigin(async (connection) => {
        await connection.write(noise);
        connection.end();
      });
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
          noise = bytes;
          assert.equal((await examine(create(), origin.address)) === null, onlyConnects);
        }),
        { numRuns: 30 },
      );
    }));
}
