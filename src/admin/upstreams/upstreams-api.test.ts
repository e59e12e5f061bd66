import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { apiRequest } from "../../../test/kit/api-request.ts";
import { FakeUpstreams, groupStatus, serverStatus } from "../../../test/kit/fake-upstreams.ts";
import { answerLimits } from "./limits-api.ts";
import { UpstreamsApi } from "./upstreams-api.ts";

const SERVER = "127.0.0.1:3000";

class Paper {
  readonly upstreams = new FakeUpstreams(
    groupStatus("api", [serverStatus(SERVER), serverStatus("127.0.0.1:3001", { state: "down", since: 5 })]),
    groupStatus("unix:/run/app/a.sock", [serverStatus("unix:/run/app/a.sock")]),
  );
  readonly #api = new UpstreamsApi(this.upstreams);

  /** Status and what the JSON says; null for a path of others. */
  async ask(method: string, path: string, body = ""): Promise<{ status: number; json: unknown } | null> {
    const reply = await this.#api.handle(apiRequest(method, path, body));
    if (reply === null) return null;
    const text = String(reply.body);
    return { status: reply.status, json: text === "" ? null : JSON.parse(text) };
  }

  patch(server: string, change: unknown): Promise<{ status: number; json: unknown } | null> {
    const text = typeof change === "string" ? change : JSON.stringify(change);
    return this.ask("PATCH", `/upstreams/api/servers/${encodeURIComponent(server)}`, text);
  }
}

describe("groups of servers", () => {
  test("are listed, with names that are written like others of the API", async () => {
    const paper = new Paper();
    const { status, json } = (await paper.ask("GET", "/upstreams"))!;
    assert.equal(status, 200);
    const groups = json as { name: string; servers: { address: string }[] }[];
    assert.deepEqual(
      groups.map(({ name }) => name),
      ["api", "unix:/run/app/a.sock"],
    );
    const one = (await paper.ask("GET", "/upstreams/api"))!.json as Record<string, unknown>;
    assert.deepEqual(one, groups[0]);
    assert.deepEqual(Object.keys(one), [
      ...["name", "policy", "requests", "connections", "pending", "retries", "discovery_error", "servers"],
    ]);
    assert.deepEqual((one["servers"] as unknown[])[1], {
      ...{ address: "127.0.0.1:3001", state: "down", reason: "", since: 5, weight: 1, ramp: 1, priority: 0 },
      ...{ zone: null, requests: 0, connections: 0, latency: null },
      counts: {
        ...{ requests: 0, responses_2xx: 0, responses_3xx: 0, responses_4xx: 0, responses_5xx: 0 },
        ...{ connect_failures: 0, failures: 0, retries: 0, ejections: 0 },
      },
    });
  });

  test("may have slashes in their names", async () => {
    const paper = new Paper();
    const name = encodeURIComponent("unix:/run/app/a.sock");
    assert.equal((await paper.ask("GET", `/upstreams/${name}`))!.status, 200);
    const changed = await paper.ask("PATCH", `/upstreams/${name}/servers/${name}`, '{"weight":7}');
    assert.equal(changed!.status, 200);
    assert.equal(paper.upstreams.getServer("unix:/run/app/a.sock", "unix:/run/app/a.sock").weight, 7);
  });

  test("that aren't there are told with a code", async () => {
    const paper = new Paper();
    for (const path of ["/upstreams/ap", "/upstreams/ap/servers/a:1"]) {
      assert.deepEqual(await paper.ask("GET", path), {
        status: 404,
        json: { error: "there is no upstream ap", code: "UPSTREAM_NOT_FOUND", status: 404 },
      });
    }
    const { status, json } = (await paper.patch("a:1", { weight: 0 }))!;
    assert.deepEqual([status, (json as { code: string }).code], [404, "SERVER_NOT_FOUND"]);
  });

  test("leave other paths to others, and know no other methods", async () => {
    const paper = new Paper();
    for (const path of ["/", "/upstream", "/upstreams/", "/proxies"])
      assert.equal(await paper.ask("GET", path), null, path);
    for (const path of ["/upstreams", "/upstreams/api"])
      assert.equal((await paper.ask("DELETE", path))!.status, 405, path);
  });
});

describe("orders to a server", () => {
  test("change its state, its weight, or both", async () => {
    const paper = new Paper();
    const drained = (await paper.patch(SERVER, { state: "draining" }))!;
    assert.equal(drained.status, 200);
    const { state, reason, weight } = drained.json as Record<string, unknown>;
    assert.deepEqual([state, reason, weight], ["draining", "by order", 1]);
    assert.equal((await paper.patch(SERVER, { weight: 5 }))!.status, 200);
    assert.equal((await paper.patch(SERVER, { state: "enabled", weight: 1000 }))!.status, 200);
    const after = paper.upstreams.getServer("api", SERVER);
    assert.deepEqual([after.state, after.weight], ["up", 1000]);
  });

  const wrong = {
    "no JSON": "{",
    "no object": "[]",
    "nothing at all": {},
    "an unknown member": { state: "disabled", wait: 1 },
    "an unknown state": { state: "off" },
    "a weight of nothing": { state: "disabled", weight: 0 },
    "a weight that is too much": { weight: 1001 },
    "a weight in parts": { weight: 1.5 },
    "a weight that is text": { weight: "5" },
    "a state that is null": { state: null, weight: 5 },
  };
  for (const [what, body] of Object.entries(wrong)) {
    test(`are refused as a whole with ${what}`, async () => {
      const paper = new Paper();
      const { status, json } = (await paper.patch(SERVER, body))!;
      assert.equal(status, 400);
      assert.match((json as { error: string }).error, /^bad request body: /);
      assert.deepEqual(paper.upstreams.getServer("api", SERVER), serverStatus(SERVER));
    });
  }
});

test("limits are listed with what became of requests", () => {
  const counts = { allowed: 5, refused: 3, shadowed: 0, errors: 1 };
  const limit = {
    name: "per client",
    algorithm: "fixed_window",
    limit: 5,
    window: 60_000,
    burst: 0,
  } as const;
  const limits = { list: () => [{ ...limit, shadow: false, isRemote: true, counts }] };
  const reply = answerLimits(limits, apiRequest("GET", "/limits"))!;
  assert.deepEqual(JSON.parse(String(reply.body)), [{ ...limit, shadow: false, counts, is_remote: true }]);
  assert.equal(answerLimits(limits, apiRequest("POST", "/limits"))!.status, 405);
  assert.equal(answerLimits(limits, apiRequest("GET", "/limits/x")), null);
});
