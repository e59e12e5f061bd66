import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { describe, test } from "node:test";
import type { Steering } from "../../src/control/steering.ts";
import type { StreamEvent } from "../../src/proxy/stream-proxy.ts";
import { until, untilQuick } from "../kit/deadline.ts";
import { freePort } from "../kit/ports.ts";
import { type Steered, startSteered } from "../kit/steered.ts";

/** Proxies before an echo server, and their clients. */
class Stage implements AsyncDisposable {
  readonly steering: Steering;
  readonly #steered: Steered;
  readonly #origin: Server;
  readonly #sockets: Socket[] = [];

  constructor(steered: Steered, origin: Server) {
    this.#steered = steered;
    this.#origin = origin;
    this.steering = steered.steering;
  }

  create(name: string, listen = "127.0.0.1:0") {
    const { port } = this.#origin.address() as AddressInfo;
    return this.steering.create({ name, listen, upstreams: [`127.0.0.1:${port}`] });
  }

  async connect(address: string): Promise<Socket> {
    const socket = connect(Number(address.split(":").at(-1)), "127.0.0.1");
    socket.once("error", () => {});
    this.#sockets.push(socket);
    await once(socket, "connect");
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#steered[Symbol.asyncDispose]();
    this.#origin.close();
  }
}

async function start(threads: number): Promise<Stage> {
  const origin = createServer((socket) => void socket.on("error", () => {}).pipe(socket));
  origin.listen(0, "127.0.0.1");
  await once(origin, "listening");
  return new Stage(await startSteered(threads), origin);
}

/** Milliseconds until what was said comes back. */
async function roundTrip(socket: Socket): Promise<number> {
  const before = performance.now();
  socket.write("ping");
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.equal(answer.toString(), "ping");
  return performance.now() - before;
}

function slow(stream: string, latency = 120) {
  return { name: `slow-${stream}`, type: "latency", stream, toxicity: 1, attributes: { latency, jitter: 0 } };
}

for (const threads of [0, 2]) {
  describe(`proxies in ${threads} threads`, () => {
    test("are made, found, and gone when they are removed", async () => {
      await using steered = await start(threads);
      const { steering } = steered;
      const proxy = await steered.create("echo");
      assert.match(proxy.listen, /^127\.0\.0\.1:[1-9]\d*$/);
      assert.deepEqual(steering.list(), [proxy]);
      await roundTrip(await steered.connect(proxy.listen));
      const socket = await steered.connect(proxy.listen);
      await roundTrip(socket);
      const closed = once(socket, "close");
      await steering.remove("echo");
      await closed;
      await assert.rejects(steered.connect(proxy.listen), { code: "ECONNREFUSED" });
      assert.throws(() => steering.get("echo"), { code: "PROXY_NOT_FOUND" });
      // The address is free again.
      assert.equal((await steered.create("another", proxy.listen)).listen, proxy.listen);
    });

    test("change under connections that are open, in every thread", async () => {
      await using steered = await start(threads);
      const { steering } = steered;
      const { listen } = await steered.create("echo");
      const sockets = await Promise.all(Array.from({ length: 8 }, () => steered.connect(listen)));
      for (const socket of sockets) await roundTrip(socket);
      await steering.addToxic("echo", slow("downstream"));
      for (const time of await Promise.all(sockets.map(roundTrip))) assert.ok(time >= 119, `${time}`);
      await steering.updateToxic("echo", "slow-downstream", { attributes: { latency: 200 } });
      for (const time of await Promise.all(sockets.map(roundTrip))) assert.ok(time >= 199, `${time}`);
      await steering.removeToxic("echo", "slow-downstream");
      for (const socket of sockets) await untilQuick(120, () => roundTrip(socket));
      await steering.setMode("echo", { kind: "latency", latency: 60, jitter: 0, stream: "both" });
      for (const time of await Promise.all(sockets.map(roundTrip))) assert.ok(time >= 119, `${time}`);
      const connections = await steering.connections("echo");
      assert.equal(connections.length, 8);
      assert.equal(new Set(connections.map(({ id }) => id)).size, 8);
      const [first] = connections;
      await steering.cut("echo", first!.id);
      await until("one is gone", async () => (await steering.connections("echo")).length === 7);
    });

    test("keep their port and toxics while they are disabled", async () => {
      await using steered = await start(threads);
      const { steering } = steered;
      const { listen } = await steered.create("echo");
      await steering.addToxic("echo", slow("upstream"));
      assert.equal((await steering.update("echo", { enabled: false })).enabled, false);
      await assert.rejects(steered.connect(listen), { code: "ECONNREFUSED" });
      await steering.addToxic("echo", slow("downstream"));
      const again = await steering.update("echo", { enabled: true });
      assert.equal(again.listen, listen);
      assert.deepEqual(
        again.toxics.map(({ name }) => name),
        ["slow-upstream", "slow-downstream"],
      );
      assert.ok((await roundTrip(await steered.connect(listen))) >= 239);
      await steering.update("echo", { enabled: false });
      for (const { name } of steering.get("echo").toxics) await steering.removeToxic("echo", name);
      await steering.update("echo", { enabled: true });
      assert.deepEqual(steering.get("echo").toxics, []);
      const socket = await steered.connect(listen);
      await untilQuick(119, () => roundTrip(socket));
    });

    test("that can't be are refused, and nothing is left of them", async () => {
      await using steered = await start(threads);
      const { steering } = steered;
      const { listen } = await steered.create("echo");
      await assert.rejects(steered.create("echo"), { code: "PROXY_EXISTS" });
      await assert.rejects(steered.create("twin", listen), { code: "CANNOT_LISTEN" });
      await assert.rejects(steered.create("nowhere", "127.0.0.1"), { code: "INVALID" });
      await assert.rejects(steering.addToxic("echo", { ...slow("upstream"), type: "latancy" }), {
        code: "TOXIC_TYPE_UNKNOWN",
      });
      await steering.addToxic("echo", slow("upstream"));
      await assert.rejects(steering.addToxic("echo", slow("upstream")), { code: "TOXIC_EXISTS" });
      await assert.rejects(steering.removeToxic("echo", "x"), { code: "TOXIC_NOT_FOUND" });
      await assert.rejects(steering.update("echo", { listen: `192.0.2.1:${await freePort()}` }), {
        code: "CANNOT_LISTEN",
      });
      assert.deepEqual(
        steering.list().map(({ name }) => name),
        ["echo"],
      );
      assert.ok((await roundTrip(await steered.connect(steering.get("echo").listen))) >= 119);
    });

    test("tell what happens on them while somebody listens", async () => {
      await using steered = await start(threads);
      const events: StreamEvent[] = [];
      const stop = steered.steering.onEvent((event) => void events.push(event));
      const { listen } = await steered.create("echo");
      (await steered.connect(listen)).end();
      await until("it is closed", () => events.some(({ kind }) => kind === "closed"));
      assert.equal(events[0]!.kind, "opened");
      assert.equal(events[0]!.proxy, "echo");
      stop();
    });
  });
}
