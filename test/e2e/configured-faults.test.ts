import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until, untilQuick } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { runInside, startInside } from "./inside.ts";
import { get, type RunningSluice, startListening } from "./sluice.ts";

/** Everything that a configuration can lay on connections and requests, with the API that steers it. */
function configuration(originPort: number, more = ""): string {
  return `
threads: 2
chaos: { seed: again${more} }
admin: { bind: "127.0.0.1:0", token: secret }
listeners:
  - name: web
    bind: "127.0.0.1:0"
    toxics:
      - { type: latency, name: slow, attributes: { latency: 120 } }
    routes:
      - match: { path: /broken }
        faults:
          - { name: unlucky, abort: 418 }
        upstream: "127.0.0.1:${originPort}"
      - upstream: "127.0.0.1:${originPort}"
  - { name: raw, protocol: tcp, bind: "127.0.0.1:0", upstream: "127.0.0.1:${originPort}", mode: latency 120 }
`;
}

class Configured {
  readonly sluice: RunningSluice;
  readonly #api: string;

  constructor(sluice: RunningSluice) {
    this.sluice = sluice;
    this.#api = /^Admin API on (\S+)$/m.exec(sluice.program.stdout)![1]!;
  }

  call(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = { Authorization: "Bearer secret" };
    return fetch(this.#api + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Status, and milliseconds it took. */
  async get(listener: number, path = "/"): Promise<{ status: number; took: number }> {
    const start = performance.now();
    const response = await fetch(`http://${this.sluice.addresses[listener]}${path}`);
    await response.arrayBuffer();
    return { status: response.status, took: performance.now() - start };
  }
}

describe("faults of a configuration", () => {
  const stack = new AsyncDisposableStack();
  let configured: Configured;
  before(async () => {
    const directory = stack.use(await createTemporaryDirectory());
    const origin = stack.use(await startOrigin());
    const file = await directory.write("sluice.yaml", configuration(origin.port));
    configured = new Configured(stack.use(await startListening(["run", file], { listeners: 2 })));
  });
  after(() => stack.disposeAsync());

  test("act from the start, and are steered by the admin API", async () => {
    const { sluice } = configured;
    for (const listener of [0, 1]) assert.ok((await configured.get(listener)).took >= 119);
    assert.equal((await configured.get(0, "/broken")).status, 418);
    assert.equal((await fetch(`${/http:\S+/.exec(sluice.program.stdout)![0]}/proxies`)).status, 401);
    const proxies = (await (await configured.call("GET", "/proxies")).json()) as Record<
      string,
      { listen: string }
    >;
    assert.equal(proxies["web"]!.listen, sluice.addresses[0]);
    assert.equal((await configured.call("DELETE", "/proxies/web/toxics/slow")).status, 204);
    assert.equal((await configured.call("PUT", "/proxies/raw/mode", { kind: "allow" })).status, 200);
    for (const listener of [0, 1]) await untilQuick(119, async () => (await configured.get(listener)).took);
  });

  test("on routes are switched off and on", async () => {
    const change = (enabled: boolean) =>
      configured.call("POST", "/proxies/web/http_faults/unlucky", { enabled });
    assert.equal((await configured.get(0, "/broken")).status, 418);
    assert.equal((await change(false)).status, 200);
    // The origin knows no such page.
    for (let i = 0; i < 6; i++) assert.equal((await configured.get(0, "/broken")).status, 404);
    assert.equal((await change(true)).status, 200);
    for (let i = 0; i < 6; i++) assert.equal((await configured.get(0, "/broken")).status, 418);
    const listed = (await (await configured.call("GET", "/proxies/web/http_faults")).json()) as object[];
    assert.deepEqual(listed, [{ name: "unlucky", route: "routes[0]", enabled: true, hits: 8 }]);
    assert.equal(
      (await configured.call("POST", "/proxies/web/http_faults/x", { enabled: true })).status,
      404,
    );
  });

  test("are played by a scenario beside the proxy", async () => {
    await using directory = await createTemporaryDirectory();
    await using origin = await startOrigin();
    await directory.write(
      "scenario.yaml",
      `name: pause
steps:
  - { at: 300ms, for: 1s, proxy: raw, mode: deny }
`,
    );
    const text = configuration(origin.port, `, scenario: ${directory.join("scenario.yaml")}`);
    const file = await directory.write("sluice.yaml", text);
    await using sluice = await startInside(["run", file]);
    const port = Number(sluice.addresses[1]!.split(":").at(-1));
    // Each time on a new connection: those that stand are left alone.
    const isServed = async (): Promise<boolean> => (await get(port).catch(() => null))?.status === 200;
    await until("it refuses", async () => !(await isServed()));
    await until("it serves again", isServed);
  });

  test("whose scenario is wrong don't start", async () => {
    await using directory = await createTemporaryDirectory();
    const scenario = await directory.write(
      "scenario.yaml",
      "steps:\n  - { at: 1s, proxy: raw, mod: deny }\n",
    );
    const file = await directory.write("sluice.yaml", configuration(1, `, scenario: ${scenario}`));
    const { code, stderr } = await runInside(["run", file]);
    assert.equal(code, 2);
    assert.match(stderr, /scenario\.yaml:2:\d+: .*mod/s);
  });
});
