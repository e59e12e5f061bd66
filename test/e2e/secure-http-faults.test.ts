import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { type Http2Client, readAnswer } from "../kit/http2-client.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { request } from "./proxy.ts";
import { SecureStage } from "./secure-stage.ts";

/*
 * Every fault on requests that there is, on a listener with TLS: what it does to a stream of HTTP/2, and to none of the
 * others of its connection.
 */

const SIZE = 60_000;
const TRUNCATED = 10_000;
const BODY = patternBytes(SIZE);

const FAULTS = {
  delay: { delay: "300ms" },
  abort: { abort: { status: 418, headers: { "X-Why": "unlucky" }, body: "short" } },
  reset: { reset: true },
  truncate: { truncate: TRUNCATED },
  throttle: { throttle: 200_000 },
  "status-line": { malformed: "status-line" },
  header: { malformed: "header" },
  chunk: { malformed: "chunk" },
  length: { malformed: "length" },
};

describe("faults on requests", () => {
  let origin: Origin;
  let stage: SecureStage;

  before(async () => {
    origin = await startOrigin();
    const { address } = origin;
    const faulty = Object.entries(FAULTS).map(([name, fault]) => ({
      match: { path: "/bytes/*", query: { fault: name } },
      upstream: address,
      faults: [{ name, enabled: false, ...fault }],
    }));
    stage = await SecureStage.start({ listener: { routes: [...faulty, { upstream: address }] } });
  });

  after(async () => {
    await stage[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  function change(name: string, enabled: boolean): Promise<unknown> {
    return stage.ask("POST", `/proxies/web/http_faults/${name}`, { enabled });
  }

  function pathOf(name: string): string {
    return `/bytes/${SIZE}?fault=${name}`;
  }

  /** Has the fault on for a request, with another stream beside it. */
  async function strike(client: Http2Client, name: string) {
    const other = client.open({ ":method": "POST", ":path": "/echo" });
    const echoed = readAnswer(other);
    other.write("before ");
    await change(name, true);
    const start = performance.now();
    const struck = await client.get(pathOf(name));
    const time = performance.now() - start;
    other.end("and after");
    await change(name, false);
    return { struck, time, other: await echoed };
  }

  for (const name of ["delay", "throttle", "abort", "reset", "truncate"] as const) {
    test(`${name} strikes a stream, and no other`, async () => {
      const client = stage.http2();
      assert.ok((await client.get(pathOf(name))).body.equals(BODY));
      const { struck, time, other } = await strike(client, name);
      const { status, code, body } = struck;
      assert.equal(other.status, 200);
      assert.equal((JSON.parse(other.body.toString()) as { body: string }).body, "before and after");
      if (name === "abort") {
        assert.deepEqual([status, body.toString(), struck.headers["x-why"]], [418, "short", "unlucky"]);
      } else if (name === "reset") assert.deepEqual([status, code > 0], [0, true]);
      else if (name === "truncate") assert.deepEqual([status, body.length, code > 0], [200, TRUNCATED, true]);
      else {
        assert.ok(body.equals(BODY));
        assert.ok(time >= 250, `${time}`);
      }
      assert.ok((await client.get(pathOf(name))).body.equals(BODY));
      assert.equal(client.closed, false);
    });
  }

  for (const name of ["status-line", "header", "chunk", "length"]) {
    test(`a response with a bad ${name} is taken by no client, and is the last of its connection`, async () => {
      const client = stage.http2();
      await change(name, true);
      assert.notEqual((await client.get(pathOf(name))).code, 0);
      await until("the connection is closed", () => client.closed);
      await change(name, false);
      assert.ok((await stage.http2().get(pathOf(name))).body.equals(BODY));
    });
  }

  test("strike requests of HTTP/1.1 over TLS as they do without", async () => {
    const client = await stage.http1();
    const ask = (name: string) => client.exchange(request(`GET ${pathOf(name)}`));
    await change("abort", true);
    assert.equal((await ask("abort")).status, 418);
    await change("abort", false);
    assert.ok((await ask("abort")).body.equals(BODY));
    await change("truncate", true);
    void client.write(request(`GET ${pathOf("truncate")}`));
    const [, body = ""] = (await client.readToEnd()).toString("latin1").split("\r\n\r\n");
    assert.equal(body.length, TRUNCATED);
    await change("truncate", false);
    const other = await stage.http1();
    await change("reset", true);
    void other.write(request(`GET ${pathOf("reset")}`));
    assert.equal(await other.closed, "reset");
    await change("reset", false);
  });
});

test("a scenario is played on a listener with TLS", async () => {
  await using folder = await createTemporaryDirectory();
  const scenario = await folder.write(
    "scenario.yaml",
    `name: pause
steps:
  - { at: 500ms, for: 1s, proxy: web, mode: deny cut }
  - { at: 2s, for: 1h, proxy: web, mode: latency 200 }
`,
  );
  await using stage = await SecureStage.start({
    listener: { respond: "ok" },
    document: { chaos: { scenario } },
    threads: 0,
  });
  const isServed = async (): Promise<boolean> => {
    const { status } = await stage.http2().get("/");
    return status === 200;
  };
  await until("it refuses", async () => !(await isServed()));
  await until("it serves again", isServed);
  const client = stage.http2();
  await until("it is slow", async () => {
    const start = performance.now();
    assert.equal((await client.get("/")).status, 200);
    return performance.now() - start >= 399;
  });
});
