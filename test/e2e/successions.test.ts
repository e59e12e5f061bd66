import assert from "node:assert/strict";
import ffi from "node:ffi";
import { createServer, type ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { describe, test } from "node:test";
import { pino } from "pino";
import { type Running, startRunning } from "../../src/control/running.ts";
import { SocketKeeper } from "../../src/control/sockets.ts";
import { toInheritance } from "../../src/control/upgrade/inheritance.ts";
import { freePort, listen } from "../kit/ports.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { openUdp, startUdpEcho } from "../kit/udp.ts";
import { Reloading, toSpec } from "./reloading.ts";

const skip = process.platform === "linux" ? false : "sockets can't be handed over";

describe("a data plane that takes the place of another one", { skip }, () => {
  test("shares the address of a UDP proxy with it, also in the main thread", async () => {
    await using server = await startUdpEcho("echo ");
    const free = await openUdp();
    const { port } = free;
    await free[Symbol.asyncDispose]();
    const listener = { name: "dns", protocol: "udp", bind: `127.0.0.1:${port}` };
    const text = JSON.stringify({ listeners: [{ ...listener, upstream: `127.0.0.1:${server.port}` }] });
    await using old = await Reloading.start(text, 0);
    const inherited = toInheritance(await old.running.estate());
    const running = await startRunning(toSpec(text), 0, pino({ level: "silent" }), inherited);
    try {
      await old.running.retire(0);
      await using client = await openUdp();
      assert.equal(await client.ask("hello", port), "echo hello");
    } finally {
      await running.stop();
    }
  });

  test("answers whom it has accepted when it can't have the rest", async () => {
    const asked = Promise.withResolvers<ServerResponse>();
    const origin = createServer((_, response) => asked.resolve(response));
    const taken = createTcpServer();
    const [upstream, port] = [await listen(origin), await freePort()];
    const web = { name: "web", bind: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream}` };
    const rest = { name: "tcp", protocol: "tcp", bind: `127.0.0.1:${await listen(taken)}` };
    const text = JSON.stringify({ listeners: [web, { ...rest, upstream: "127.0.0.1:9" }] });
    // Nobody listens on it but the one that fails.
    const sockets = new SocketKeeper();
    const { fds, boundTo } = await sockets.lend(web.bind, { thread: 0, threads: 1 }, "web");
    listenOn(fds[0]!);
    await using client = await connectRaw(port);
    await client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = "";
    const end = async (begun: Pick<Running, "retire">, reason: Error): Promise<void> => {
      assert.match(reason.message, /another program listens there already/);
      const response = await asked.promise;
      const ended = begun.retire(10_000);
      response.end("late");
      answer = (await client.readResponse()).body.toString();
      await client[Symbol.asyncDispose]();
      await ended;
    };
    const estate = { sockets: [{ owner: "web", address: boundTo, descriptors: fds }], memories: {} };
    const starting = startRunning(toSpec(text), 0, pino({ level: "silent" }), toInheritance(estate, [], end));
    await assert.rejects(starting, /another program listens there already/);
    assert.equal(answer, "late");
    await sockets.close();
    for (const server of [origin, taken]) server.close();
  });

  test("isn't disturbed by reloads, which wait", async () => {
    const text = (status: number): string => `listeners: [{ bind: "127.0.0.1:0", respond: ${status} }]`;
    await using old = await Reloading.start(text(204), 0);
    const [first, goOn] = await Promise.all([old.reload(text(205)), old.running.pause()]);
    assert.equal(first.kind, "swap", "what is under way is waited for");
    let isOver = false;
    const second = old.reload(text(206)).finally(() => {
      isOver = true;
    });
    await old.running.estate();
    assert.equal(isOver, false);
    goOn();
    assert.equal((await second).kind, "swap");
  });
});

/** Has the kernel take connections for a socket before anybody accepts them. */
function listenOn(fd: number): void {
  const { functions } = ffi.dlopen(null, { listen: { arguments: ["i32", "i32"], return: "i32" } });
  (functions.listen as (fd: number, backlog: number) => number)(fd, 16);
}
