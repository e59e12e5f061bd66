import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { apiRequest } from "../../../test/kit/api-request.ts";
import { MemorySteering } from "../../../test/kit/memory-steering.ts";
import {
  openPaperApi,
  openPaperApiWithProxy,
  type PaperApi,
  toldFault,
} from "../../../test/kit/paper-api.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import type { StreamEvent } from "../../proxy/stream-proxy.ts";
import { ToxiproxyApi } from "./toxiproxy-api.ts";

const CONNECTION = {
  id: "0.1",
  client: "127.0.0.1:50001",
  upstream: "127.0.0.1:5432",
  bytesUp: 7,
  bytesDown: 9,
  age: 12.5,
  toxics: ["slow"],
};

describe("connections", () => {
  test("are listed", async () => {
    const { tell, steering } = await openPaperApiWithProxy();
    assert.equal(await tell("GET", "/proxies/p/connections"), "200 []");
    steering.open.set("p", [CONNECTION]);
    assert.equal(
      await tell("GET", "/proxies/p/connections"),
      '200 [{"id":"0.1","client":"127.0.0.1:50001","upstream":"127.0.0.1:5432","bytes_up":7,"bytes_down":9,"age":12.5,"toxics":["slow"]}]',
    );
    steering.open.set("p", [{ ...CONNECTION, tls: { serverName: "db.example", version: "TLSv1.3" } }]);
    assert.match(
      await tell("GET", "/proxies/p/connections"),
      /"toxics":\["slow"\],"tls":\{"server_name":"db.example","version":"TLSv1.3"\}\}\]$/,
    );
    assert.equal(await tell("GET", "/proxies/x/connections"), toldFault(404, "proxy not found"));
  });

  test("are cut: one, or all", async () => {
    const { tell, steering } = await openPaperApiWithProxy();
    const ids = (): string[] => steering.open.get("p")!.map(({ id }) => id);
    steering.open.set(
      "p",
      ["1", "2", "3"].map((id) => ({ ...CONNECTION, id })),
    );
    assert.equal(await tell("POST", "/proxies/p/cut", '{"connection":"2"}'), "204 ");
    assert.deepEqual(ids(), ["1", "3"]);
    assert.match(
      await tell("POST", "/proxies/p/cut", '{"connection":2}'),
      /^400 .*Cut.connection of type string/,
    );
    assert.equal(await tell("POST", "/proxies/p/cut"), "204 ");
    assert.deepEqual(ids(), []);
    assert.equal(await tell("POST", "/proxies/x/cut", "{"), toldFault(404, "proxy not found"));
  });
});

describe("the mode", () => {
  test("is shown and set", async () => {
    const { tell } = await openPaperApiWithProxy();
    assert.equal(await tell("GET", "/proxies/p/mode"), '200 {"kind":"allow"}');
    const cases: readonly (readonly [body: string, shown: string])[] = [
      ['"deny"', '{"kind":"deny","cut":false}'],
      ['{"kind":"deny","cut":true}', '{"kind":"deny","cut":true}'],
      ['{"kind":"latency","latency":100}', '{"kind":"latency","latency":100,"jitter":0,"stream":"both"}'],
      [
        '{"kind":"latency","latency":1.5,"jitter":1,"stream":"UPSTREAM"}',
        '{"kind":"latency","latency":1.5,"jitter":1,"stream":"upstream"}',
      ],
      ['{"kind":"timeout","timeout":50}', '{"kind":"timeout","timeout":50,"stream":"both"}'],
      [
        '{"kind":"throttle","rate":1000,"stream":"downstream"}',
        '{"kind":"throttle","rate":1000,"stream":"downstream"}',
      ],
      ['"latency 100±20 upstream"', '{"kind":"latency","latency":100,"jitter":20,"stream":"upstream"}'],
      ['"throttle 10k"', '{"kind":"throttle","rate":10000,"stream":"both"}'],
      ['"allow"', '{"kind":"allow"}'],
    ];
    for (const [body, shown] of cases) {
      assert.equal(await tell("PUT", "/proxies/p/mode", body), `200 ${shown}`);
      assert.equal(await tell("GET", "/proxies/p/mode"), `200 ${shown}`);
    }
  });

  test("has to be one", async () => {
    const { tell } = await openPaperApiWithProxy();
    for (const text of ["latency", "slow", "deny now please"])
      assert.match(await tell("PUT", "/proxies/p/mode", JSON.stringify(text)), /^400 {"error":"/);
    const cases: readonly (readonly [body: string, message: string])[] = [
      ["", "bad request body: EOF"],
      ["{}", "missing required field: kind"],
      ['{"kind":"latency"}', "missing required field: latency"],
      ['{"kind":"throttle"}', "missing required field: rate"],
      ['{"kind":"slow"}', "mode was invalid, can be allow, deny, latency, timeout or throttle"],
      ['{"kind":"timeout","timeout":-1}', "timeout must be at least 0"],
      [
        '{"kind":"timeout","timeout":1,"stream":"x"}',
        "stream was invalid, can be upstream, downstream or both",
      ],
      [
        '{"kind":5}',
        "bad request body: json: cannot unmarshal number into Go struct field Mode.kind of type string",
      ],
    ];
    for (const [body, message] of cases)
      assert.equal(await tell("POST", "/proxies/p/mode", body), toldFault(400, message), body);
    assert.equal(await tell("PUT", "/proxies/x/mode", '"deny"'), toldFault(404, "proxy not found"));
  });
});

describe("events", () => {
  const EVENT: StreamEvent = {
    kind: "opened",
    proxy: "p",
    time: 1,
    connection: "0.1",
    client: "c:1",
    detail: "to u:1",
  };

  test("are streamed for as long as a client listens", async () => {
    const { ask, steering } = await openPaperApiWithProxy();
    const { body, headers, status } = await ask("GET", "/events");
    assert.deepEqual(
      [status, headers["Content-Type"], headers["Cache-Control"]],
      [200, "text/event-stream", "no-store"],
    );
    assert.ok(typeof body !== "string");
    const written: string[] = [];
    const stop = body({ write: (text) => written.push(text), pending: 0, end: () => undefined });
    steering.tell(EVENT);
    assert.deepEqual(written, [": events follow\n\n", `event: opened\ndata: ${JSON.stringify(EVENT)}\n\n`]);
    stop();
    assert.equal(steering.listeners, 0);
  });

  test("can be those of some proxies", async () => {
    const { ask, steering, tell } = await openPaperApiWithProxy();
    await steering.create({ name: "q", listen: "", upstreams: ["u:1"] });
    const { body } = await ask("GET", "/events?proxy=q");
    assert.ok(typeof body !== "string");
    const written: string[] = [];
    const stop = body({ write: (text) => written.push(text), pending: 0, end: () => undefined });
    steering.tell(EVENT);
    steering.tell({ ...EVENT, proxy: "q" });
    stop();
    assert.equal(written.length, 2);
    assert.match(written[1]!, /"proxy":"q"/);
    assert.equal(await tell("GET", "/events?proxy=x"), toldFault(404, "proxy not found"));
  });

  test("are counted while a client is too slow for them", async () => {
    const { ask, steering } = await openPaperApiWithProxy();
    const { body } = await ask("GET", "/events");
    assert.ok(typeof body !== "string");
    const written: string[] = [];
    let pending = 0;
    const stop = body({
      write: (text) => written.push(text),
      get pending() {
        return pending;
      },
      end: () => undefined,
    });
    pending = 1e6;
    for (let i = 0; i < 3; i++) steering.tell(EVENT);
    pending = 0;
    steering.tell(EVENT);
    stop();
    assert.deepEqual(written.slice(1), [
      'event: missed\ndata: {"events":3}\n\n',
      `event: opened\ndata: ${JSON.stringify(EVENT)}\n\n`,
    ]);
  });
});

describe("events of groups of servers", () => {
  const TIME = 1;

  /** What a client of this path is told while these things happen. */
  async function heard(path: string, happen: (paper: PaperApi) => void): Promise<string[]> {
    const paper = await openPaperApiWithProxy();
    const { body } = await paper.ask("GET", path);
    assert.ok(typeof body !== "string");
    const written: string[] = [];
    const stop = body({ write: (text) => written.push(text), pending: 0, end: () => undefined });
    happen(paper);
    stop();
    assert.deepEqual([paper.steering.listeners, paper.upstreams.listeners], [0, 0]);
    return written.slice(1);
  }

  test("are streamed beside those of proxies", async () => {
    const written = await heard("/events", ({ upstreams }) => {
      upstreams.tell({
        ...{ kind: "server", group: "api", address: "a:1", from: "up", to: "down", reason: "timeout" },
        time: TIME,
      });
      upstreams.tell({ kind: "servers", group: "api", added: ["b:1"], removed: [], time: TIME });
      upstreams.tell({ kind: "group", group: "api", isDown: true, time: TIME });
      upstreams.tell({ kind: "discovery", group: "api", message: "no such host", time: TIME });
    });
    const lines = [
      '{"kind":"server","upstream":"api","server":"a:1","from":"up","to":"down","reason":"timeout","time":1}',
      '{"kind":"servers","upstream":"api","added":["b:1"],"removed":[],"time":1}',
      '{"kind":"upstream","upstream":"api","is_down":true,"time":1}',
      '{"kind":"discovery","upstream":"api","message":"no such host","time":1}',
    ];
    assert.deepEqual(
      written,
      lines.map((line) => `event: ${JSON.parse(line).kind}\ndata: ${line}\n\n`),
    );
  });

  test("can be those of some groups; who asks for those of a proxy hears of no group", async () => {
    const happen = ({ upstreams, steering }: PaperApi): void => {
      for (const group of ["api", "pages"])
        upstreams.tell({ kind: "group", group, isDown: true, time: TIME });
      steering.tell({ kind: "opened", proxy: "p", time: TIME, connection: "", client: "", detail: "" });
    };
    const kinds = async (path: string): Promise<string[]> =>
      (await heard(path, happen)).map((text) => /(api|pages|"p")/.exec(text)![0]);
    assert.deepEqual(await kinds("/events?upstream=pages"), ["pages"]);
    assert.deepEqual(await kinds("/events?proxy=p"), ['"p"']);
    assert.deepEqual(await kinds("/events?proxy=p&upstream=api"), ["api", '"p"']);
    assert.deepEqual(await kinds("/events"), ["api", "pages", '"p"']);
  });

  test("of groups that aren't there are refused", async () => {
    const { tell } = openPaperApi();
    assert.equal(await tell("GET", "/events?upstream=x"), toldFault(404, "there is no upstream x"));
  });
});

describe("requests", () => {
  test("have an id of their own where they lead somewhere", async () => {
    const { ask } = openPaperApi();
    const ids = await Promise.all(
      [1, 2].map(async () => (await ask("GET", "/proxies")).headers["X-Toxiproxy-Request-Id"]!),
    );
    assert.match(ids[0]!, /^[0-9a-v]{20}$/);
    assert.notEqual(ids[0], ids[1]);
    assert.ok("X-Toxiproxy-Request-Id" in (await ask("GET", "/proxies/x")).headers);
    const { status, headers, body } = await ask("PUT", "/proxies");
    assert.deepEqual({ status, headers, body }, { status: 405, headers: {}, body: "" });
  });

  test("of other paths are left to others", async () => {
    const { api } = openPaperApi();
    for (const path of ["/", "/proxies/", "/metrics", "/proxies/a/b", "/Proxies"])
      assert.equal(await api.handle(apiRequest("GET", path)), null, path);
  });

  test("of browsers are refused, where they lead somewhere", async () => {
    const { ask } = openPaperApi();
    const browser = { "user-agent": "Mozilla/5.0" };
    const { status, body } = await ask("GET", "/proxies", "", browser);
    assert.equal(`${status} ${String(body)}`, "403 User agent not allowed\n");
    assert.equal((await ask("PUT", "/proxies", "", browser)).status, 405);
    assert.equal((await ask("GET", "/proxies", "", { "user-agent": "Mozilla" })).status, 200);
  });

  test("of browsers are answered where there is a page for them", async () => {
    const registry = createRegistry();
    const options = { steering: new MemorySteering(registry), registry, version: "1" };
    const api = new ToxiproxyApi({ ...options, refuseBrowsers: false });
    const reply = await api.handle(apiRequest("GET", "/proxies", "", { "user-agent": "Mozilla/5.0" }));
    assert.equal(reply?.status, 200);
  });

  test("for the version get JSON with a line end", async () => {
    const { status, headers, body } = await openPaperApi().ask("GET", "/version");
    assert.equal(status, 200);
    assert.equal(body, '{"version": "1.2.3"}\n');
    assert.equal(headers["Content-Type"], "application/json;charset=utf-8");
  });
});
