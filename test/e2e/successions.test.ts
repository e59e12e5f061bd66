import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pino } from "pino";
import { startRunning } from "../../src/control/running.ts";
import { toInheritance } from "../../src/control/upgrade/inheritance.ts";
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
