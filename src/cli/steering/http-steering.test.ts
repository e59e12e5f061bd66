import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startApiServer } from "../../../test/kit/api-server.ts";
import { connectionState } from "../../../test/kit/fake-steering.ts";
import { MemorySteering } from "../../../test/kit/memory-steering.ts";
import type { Mode } from "../../chaos/mode.ts";
import type { ToxicSettings } from "../../chaos/toxic.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import type { ProxyInit } from "../../control/steering.ts";
import { ApiClient } from "./api-client.ts";
import { HttpSteering } from "./http-steering.ts";

const registry = createRegistry();

/** Proxies on paper, behind an API, and who steers them from outside. */
class Remote implements AsyncDisposable {
  readonly inside: MemorySteering = new MemorySteering(registry);
  steering!: HttpSteering;
  url = "";
  #close: () => Promise<void> = async () => {};

  async start(isOriginal: boolean): Promise<this> {
    const server = await startApiServer({ steering: this.inside, registry, isOriginal, token: "t" });
    this.#close = async () => await server[Symbol.asyncDispose]();
    this.url = server.url;
    this.steering = new HttpSteering(new ApiClient({ url: server.url, token: "t" }));
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function remote(isOriginal = false): Promise<Remote> {
  return new Remote().start(isOriginal);
}

const MODES: readonly Mode[] = [
  { kind: "allow" },
  { kind: "deny", cut: false },
  { kind: "latency", latency: 100, jitter: 20, stream: "both" },
  { kind: "timeout", timeout: 500, stream: "upstream" },
  { kind: "throttle", rate: 10_000, stream: "downstream" },
];

const slow: ToxicSettings = {
  ...{ name: "slow", type: "latency", stream: "upstream", toxicity: 0.5 },
  attributes: { latency: 100, jitter: 5 },
};

const whole: ProxyInit = {
  ...{ name: "db", listen: "127.0.0.1:7000", upstreams: ["a:1", "b:2"], protocol: "udp", enabled: true },
  ...{ toxics: [slow], mode: MODES[2]! },
};

describe("on Sluice", () => {
  test("proxies are made, changed and removed with everything there is to say of them", async () => {
    await using server = await remote();
    const { steering, inside } = server;
    const created = await steering.create(whole);
    assert.deepEqual(created, inside.get("db"));
    assert.deepEqual(await steering.list(), [created]);
    assert.deepEqual([created.protocol, created.upstream, created.mode], ["udp", "a:1,b:2", MODES[2]]);
    const disabled = await steering.update("db", { enabled: false });
    assert.deepEqual([disabled.enabled, disabled.listen], [false, "127.0.0.1:7000"]);
    const moved = await steering.update("db", {
      upstreams: ["c:3"],
      listen: "127.0.0.1:7001",
      enabled: true,
    });
    assert.deepEqual([moved.enabled, moved.listen, moved.upstream], [true, "127.0.0.1:7001", "c:3"]);
    await steering.remove("db");
    assert.deepEqual(await steering.list(), []);
  });

  test("toxics are added, changed and removed", async () => {
    await using server = await remote();
    const { steering } = server;
    await steering.create({ name: "a b", listen: "", upstreams: ["a:1"] });
    assert.deepEqual(await steering.addToxic("a b", slow), slow);
    const changed = { ...slow, toxicity: 1, attributes: { latency: 7, jitter: 5 } };
    const change = { toxicity: 1, attributes: { latency: 7 } };
    assert.deepEqual(await steering.updateToxic("a b", "slow", change), changed);
    assert.deepEqual((await steering.get("a b")).toxics, [changed]);
    await steering.removeToxic("a b", "slow");
    assert.deepEqual((await steering.get("a b")).toxics, []);
  });

  test("every mode is set, and read as it was set", async () => {
    await using server = await remote();
    const { steering } = server;
    await steering.create({ name: "db", listen: "", upstreams: ["a:1"] });
    for (const mode of MODES) {
      await steering.setMode("db", mode);
      assert.deepEqual((await steering.get("db")).mode, mode);
    }
  });

  test("connections are cut, one or all", async () => {
    await using server = await remote();
    const { steering, inside } = server;
    await steering.create({ name: "db", listen: "", upstreams: ["a:1"] });
    inside.open.set(
      "db",
      ["1", "2", "3"].map((id) => connectionState({ id })),
    );
    await steering.cut("db", "2");
    assert.deepEqual(
      (await inside.connections("db")).map(({ id }) => id),
      ["1", "3"],
    );
    await steering.cut("db");
    assert.deepEqual(await inside.connections("db"), []);
  });

  test("what can't be done is said with names", async () => {
    await using server = await remote();
    const { steering } = server;
    await steering.create({ name: "db", listen: "127.0.0.1:7000", upstreams: ["a:1"], toxics: [slow] });
    const cases = [
      [() => steering.get("x"), "PROXY_NOT_FOUND", "there is no proxy x"],
      [() => steering.setMode("x", MODES[0]!), "PROXY_NOT_FOUND", "there is no proxy x"],
      [() => steering.cut("x"), "PROXY_NOT_FOUND", "there is no proxy x"],
      [() => steering.create({ ...whole, name: "db" }), "PROXY_EXISTS", "there is a proxy db already"],
      [() => steering.addToxic("db", slow), "TOXIC_EXISTS", "db has a toxic slow already"],
      [() => steering.removeToxic("db", "y"), "TOXIC_NOT_FOUND", "db has no toxic y"],
      [
        () => steering.addToxic("db", { ...slow, type: "odd", name: "o" }),
        "TOXIC_TYPE_UNKNOWN",
        "the server doesn't know the toxic o's type",
      ],
    ] as const;
    for (const [order, code, message] of cases)
      await assert.rejects(order, { name: "SteeringError", code, message });
    const taken = steering.create({ name: "other", listen: "127.0.0.1:7000", upstreams: ["a:1"] });
    await assert.rejects(taken, { code: "CANNOT_LISTEN", message: /address already in use/ });
    const wrong = steering.updateToxic("db", "slow", { attributes: { latency: 1.5 } });
    await assert.rejects(wrong, { code: "INVALID", message: /cannot unmarshal number 1.5/ });
  });
});

describe("on the original Toxiproxy", () => {
  test("toxics of a new proxy are added one by one", async () => {
    await using server = await remote(true);
    const { steering, inside } = server;
    const init: ProxyInit = {
      name: "db",
      listen: "",
      upstreams: ["a:1"],
      toxics: [slow, { ...slow, name: "b" }],
    };
    const created = await steering.create(init);
    assert.deepEqual(created.toxics, init.toxics);
    assert.deepEqual(created.mode, { kind: "allow" });
    assert.equal(inside.list().length, 1);
  });

  test("what it doesn't have is refused, and the proxy isn't left behind", async () => {
    await using server = await remote(true);
    const { steering, inside, url } = server;
    const { toxics: _, ...init } = whole;
    await assert.rejects(steering.create(init), { message: `${url} has no proxies for udp` });
    await assert.rejects(steering.create({ ...init, protocol: "tcp" }), {
      message: `${url} is no Sluice: it knows no modes`,
    });
    assert.deepEqual(inside.list(), []);
    await steering.create({ name: "db", listen: "", upstreams: ["a:1"] });
    await assert.rejects(steering.cut("db"), { message: `${url} is no Sluice: it knows no cuts` });
  });
});

test("a server that isn't there is no mistake in an order", async () => {
  const server = await remote();
  await server[Symbol.asyncDispose]();
  const { url, steering } = server;
  await assert.rejects(steering.get("db"), {
    name: "ApiError",
    message: `can't reach ${url}: connection refused`,
  });
});
