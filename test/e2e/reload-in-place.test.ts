import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { closureOf, connectRaw, type RawClient } from "../kit/raw-client.ts";
import { echoes, Reloading, startEcho } from "./reloading.ts";
import { get } from "./sluice.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

/** Listeners that answer by themselves, by their names. */
function answering(listeners: Readonly<Record<string, string>>, rest = ""): string {
  const lines = Object.entries(listeners).map(
    ([name, bind]) => `  - { name: ${name}, bind: "${bind}", respond: ${name} }`,
  );
  return `listeners:\n${lines.join("\n")}\n${rest}`;
}

/** Everything for one thread, where it shows the same as for several. */
describe("a swap in place", () => {
  test("answers what begins from then on in another way, also on connections that stand", async () => {
    await using plane = await Reloading.start(
      `listeners: [{ name: web, bind: "127.0.0.1:0", respond: one }]`,
      0,
    );
    const port = plane.port(0);
    await using client = await connectRaw(port);
    assert.equal((await client.exchange(REQUEST)).body.toString(), "one");
    await using streams = new Http2Client(port);
    assert.equal((await streams.get("/")).body.toString(), "one");

    const { kind } = await plane.reload(`listeners: [{ name: web, bind: "127.0.0.1:0", respond: two }]`);
    assert.equal(kind, "swap");
    assert.equal(plane.port(0), port);
    assert.equal((await client.exchange(REQUEST)).body.toString(), "two");
    assert.equal((await streams.get("/")).body.toString(), "two");
    assert.equal((await get(port)).body.toString(), "two");
  });

  test("has settings of connections hold for those that come from then on", async () => {
    const web = (http2: boolean): string =>
      `listeners: [{ name: web, bind: "127.0.0.1:0", respond: "http2: ${http2}", http2: ${http2} }]`;
    await using plane = await Reloading.start(web(true), 0);
    await using before = new Http2Client(plane.port(0));
    assert.equal((await before.get("/")).status, 200);
    await plane.reload(web(false));
    await using after = new Http2Client(plane.port(0));
    assert.notEqual((await after.get("/")).status, 200);
    assert.equal((await before.get("/")).body.toString(), "http2: false");
  });

  test("counts connections with earlier settings where new ones are limited", async () => {
    await using echo = await startEcho();
    const limited = (timeout: number): string => `
listeners:
  - { name: web, bind: "127.0.0.1:0", respond: web, limits: { connections_per_client: 2 }, timeouts: { head: ${timeout}s } }
  - { name: each, protocol: tcp, bind: "127.0.0.1:0", upstream: "127.0.0.1:${echo.port}", limits: { connections_per_client: 2 }, timeouts: { idle: ${timeout}s } }
  - { name: all, protocol: tcp, bind: "127.0.0.1:0", upstream: "127.0.0.1:${echo.port}", limits: { connections: 2 }, timeouts: { idle: ${timeout}s } }`;
    await using plane = await Reloading.start(limited(20), 0);
    const isOpen = async (client: RawClient, name: string): Promise<void> => {
      if (name !== "web") await echoes(client, "here;");
      else assert.equal((await client.exchange(REQUEST)).status, 200);
    };
    for (const name of ["web", "each", "all"]) {
      const port = name === "web" ? plane.port(0) : plane.proxyPort(name);
      await using first = await connectRaw(port);
      await isOpen(first, name);
      for (const timeout of [30, 40]) await plane.reload(limited(timeout));
      await using second = await connectRaw(port);
      await isOpen(second, name);
      await closureOf(port);
      await isOpen(first, name);
      first.socket.destroy();
      await until(`${name} has room again`, async () => {
        await using third = await connectRaw(port);
        return await isOpen(third, name).then(
          () => true,
          () => false,
        );
      });
    }
  });

  test("keeps the connections to servers", async () => {
    await using origin = await startOrigin();
    const web = (timeout: number): string => `
listeners: [{ name: web, bind: "127.0.0.1:0", upstream: origin, timeouts: { request: ${timeout}s } }]
upstreams: { origin: "${origin.address}" }
`;
    await using plane = await Reloading.start(web(10), 0);
    for (const timeout of [11, 12, 13]) {
      assert.equal((await get(plane.port(0))).status, 200);
      await plane.reload(web(timeout));
    }
    assert.equal((await get(plane.port(0))).status, 200);
    assert.equal(origin.connectionCount, 1);
  });

  test("opens listeners, closes others, and lets those finish what they have", async () => {
    await using origin = await startOrigin();
    const leaving = `
listeners: [{ name: old, bind: "127.0.0.1:0", upstream: origin }, { name: stays, bind: "localhost:0", respond: stays }]
upstreams: { origin: "${origin.address}" }
`;
    await using plane = await Reloading.start(leaving, 0);
    const [old, stays] = [plane.port(0), plane.port(1)];
    await using client = await connectRaw(old);
    void client.write("GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n");
    await origin.request(0);

    await plane.reload(answering({ stays: "localhost:0", fresh: "127.0.0.1:0" }));
    assert.equal(plane.port(0), stays);
    assert.equal((await get(plane.port(0))).body.toString(), "stays");
    assert.equal((await get(plane.port(1))).body.toString(), "fresh");
    await assert.rejects(connectRaw(old), { code: "ECONNREFUSED" });
    origin.release();
    assert.equal((await client.readResponse()).status, 200);
    assert.equal(await client.closed, "end");
  });

  test("moves a listener to another address, and back", async () => {
    const [here, there] = [await freePort(), await freePort()];
    await using plane = await Reloading.start(answering({ web: `127.0.0.1:${here}` }), 2);
    for (const [port, left] of [
      [there, here],
      [here, there],
    ] as const) {
      await plane.reload(answering({ web: `127.0.0.1:${port}` }));
      assert.equal((await get(port)).body.toString(), "web");
      await assert.rejects(connectRaw(left), { code: "ECONNREFUSED" });
    }
  });

  test("has a listener answer on all addresses instead of one, and on one again", async () => {
    const port = await freePort();
    const [one, all] = [`127.0.0.1:${port}`, `0.0.0.0:${port}`];
    await using plane = await Reloading.start(answering({ web: one }), 0);
    for (const [address, text] of [
      [all, "everywhere"],
      [one, "here"],
    ] as const) {
      await plane.reload(answering({ [text]: address }));
      assert.equal((await get(port)).body.toString(), text);
    }
    await assert.rejects(connectRaw({ host: "127.0.0.2", port }), { code: "ECONNREFUSED" });
  });

  test("cuts what a closed listener has when the grace period is over", async () => {
    await using echo = await startEcho();
    const raw = `{ name: raw, protocol: tcp, bind: "127.0.0.1:0", upstream: "127.0.0.1:${echo.port}" }`;
    const text = (listeners: string): string => `grace_period_seconds: 0.2\nlisteners: [${listeners}]`;
    const web = `{ name: web, bind: "127.0.0.1:0", respond: ok }`;
    await using plane = await Reloading.start(text(`${web}, ${raw}`), 0);
    await using client = await connectRaw(plane.proxyPort("raw"));
    await echoes(client, "before;");
    await plane.reload(text(web));
    await echoes(client, "after;");
    await client.closed;
  });

  test("changes nothing when something of it can't be had, and says what", async () => {
    await using echo = await startEcho();
    await using plane = await Reloading.start(answering({ web: "127.0.0.1:0" }), 2);
    const port = plane.port(0);
    const taken = answering({ web: "127.0.0.1:0", fresh: `127.0.0.1:${echo.port}` }).replaceAll("web", "web");
    await assert.rejects(plane.reload(taken.replace("respond: web", "respond: other")), {
      message: `Can't listen on 127.0.0.1:${echo.port}: another program listens there already`,
    });
    await using folder = await createTemporaryDirectory();
    const vain = folder.join("vain.sock");
    for (const seed of ["seed", "other"]) {
      const places = { web: "127.0.0.1:0", vain: `unix:${vain}`, fresh: `127.0.0.1:${echo.port}` };
      await assert.rejects(plane.reload(answering(places), { seed }), /another program listens there/);
      assert.equal(existsSync(vain), false);
    }
    const file = await folder.write("a-file", "");
    await assert.rejects(
      plane.reload(answering({ web: "127.0.0.1:0", fresh: "localhost:0" }), {
        accessLog: { path: `${file}/access.log`, format: "json" },
      }),
      /The log \S+access\.log can't be written/,
    );
    assert.equal((await get(port)).body.toString(), "web");
    assert.deepEqual(plane.running.addresses, [`127.0.0.1:${port}`]);
    const { kind } = await plane.reload(answering({ web: "127.0.0.1:0", fresh: "localhost:0" }));
    assert.equal(kind, "swap");
    assert.equal((await get(plane.port(1))).body.toString(), "fresh");
  });

  test("writes to other logs", async () => {
    await using folder = await createTemporaryDirectory();
    const [first, second] = [folder.join("first.log"), folder.join("second.log")];
    const text = answering({ web: "127.0.0.1:0" });
    await using plane = await Reloading.start(text, 0, { accessLog: { path: first, format: "combined" } });
    await using client = await connectRaw(plane.port(0));
    await client.exchange(REQUEST);
    await plane.reload(text, { accessLog: { path: second, format: "json" } });
    await client.exchange(REQUEST);
    await until(
      "both have a line",
      () => readFileSync(first, "utf8") !== "" && readFileSync(second, "utf8") !== "",
    );
    assert.match(readFileSync(first, "utf8"), /^127\.0\.0\.1 - - .*\n$/);
    assert.match(readFileSync(second, "utf8"), /^\{.*\}\n$/);

    await plane.reload(text);
    await client.exchange(REQUEST);
    assert.equal(readFileSync(second, "utf8").split("\n").length, 2);
    assert.ok(existsSync(first));
  });

  test("leads new connections of a TCP proxy somewhere else, and leaves those that stand", async () => {
    await using one = await startEcho();
    await using other = await startEcho();
    const raw = (port: number, idle = 60): string =>
      `listeners: [{ name: raw, protocol: tcp, bind: "127.0.0.1:0", upstream: "127.0.0.1:${port}", timeouts: { idle: ${idle}s } }]`;
    await using plane = await Reloading.start(raw(one.port), 2);
    const port = plane.proxyPort("raw");
    await using before = await connectRaw(port);
    await echoes(before, "one;");
    await plane.reload(raw(other.port, 50));
    assert.equal(plane.proxyPort("raw"), port);
    await using after = await connectRaw(port);
    await echoes(after, "other;");
    await echoes(before, "still one;");
    assert.deepEqual([one.accepted, other.accepted], [1, 1]);
    const open = await plane.running.steering.connections("raw");
    assert.equal(open.length, 2);
    assert.equal(new Set(open.map(({ id }) => id)).size, 2);
    await plane.running.steering.cut("raw");
    await Promise.all([before.closed, after.closed]);
  });

  test("leaves the faults that were set while it ran", async () => {
    const web = (body: string): string => `listeners: [{ name: web, bind: "127.0.0.1:0", respond: ${body} }]`;
    await using plane = await Reloading.start(web("one"), 2);
    await plane.running.steering.setMode("web", { kind: "deny", cut: false });
    await plane.reload(web("two"));
    assert.equal(await closureOf(plane.port(0)), "reset");
    await plane.running.steering.setMode("web", { kind: "allow" });
    assert.equal((await get(plane.port(0))).body.toString(), "two");
  });
});
