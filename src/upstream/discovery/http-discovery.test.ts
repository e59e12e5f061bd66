import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { describe, test } from "node:test";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { DiscoveryRig } from "../../../test/kit/discovery-rig.ts";
import type { HeardNews } from "../../../test/kit/heard-news.ts";
import { freePort, listen } from "../../../test/kit/ports.ts";
import type { DiscoverySettings } from "../group-settings.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

type HttpSettings = DiscoverySettings & { kind: "http" };

/** An endpoint, and a discovery that asks it. */
class Endpoint implements AsyncDisposable {
  readonly requests: IncomingMessage[] = [];
  answer: Answer = (_request, response) => void response.end('["a:1"]');
  port = 0;
  readonly #server: Server;
  #rig: DiscoveryRig | null = null;

  constructor(server: Server = createServer()) {
    this.#server = server;
    server.on("request", (request, response) => {
      this.requests.push(request);
      this.answer(request, response);
    });
  }

  get rig(): DiscoveryRig {
    assert.ok(this.#rig !== null, "not started");
    return this.#rig;
  }

  get heard(): HeardNews {
    return this.rig.heard;
  }

  async start(changes: Partial<HttpSettings> = {}): Promise<this> {
    this.port = await listen(this.#server);
    const url = `http://127.0.0.1:${this.port}/servers?key=secret`;
    const settings = {
      kind: "http" as const,
      url,
      headers: [],
      interval: 10_000,
      timeout: 2_000,
      ...changes,
    };
    this.#rig = new DiscoveryRig(settings);
    await this.#rig.start();
    return this;
  }

  /** Answers with what stands there from now on, and lets the time come at which it is asked. */
  async poll(answer: Answer | string): Promise<void> {
    this.answer = typeof answer === "string" ? (_request, response) => void response.end(answer) : answer;
    await this.rig.untilRounds(this.requests.length);
    const asked = once(this.#server, "request");
    this.rig.clock.advance(10_000);
    await asked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#rig?.discovery.stop();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

describe("servers from an HTTP endpoint", () => {
  test("are known once it has started, and change with what it says", async () => {
    await using endpoint = await new Endpoint().start();
    const { heard } = endpoint;
    assert.deepEqual(heard.lists, [[{ address: "a:1", weight: 1, priority: 0, zone: null }]]);
    await endpoint.poll('["b:1", {"address": "a:1", "weight": 5}]');
    await heard.untilLists(2);
    assert.deepEqual(heard.addresses, ["a:1", "b:1"]);
    assert.deepEqual(heard.errors, []);
  });

  test("are asked for when the interval has passed since the last answer, not before", async () => {
    await using endpoint = new Endpoint();
    endpoint.answer = (_request, response) => {
      endpoint.rig.clock.advance(1_500);
      response.end('["a:1"]');
    };
    await endpoint.start();
    endpoint.rig.clock.advance(9_999);
    await new Promise(setImmediate);
    assert.equal(endpoint.requests.length, 1);
    endpoint.answer = (_request, response) => void response.end('["b:1"]');
    await endpoint.rig.pass(1);
    assert.deepEqual(endpoint.heard.addresses, ["b:1"]);
    assert.equal(endpoint.requests.length, 2);
  });

  test("are asked for with our fields, those that were set, and on a connection of their own", async () => {
    const headers = [
      ["X-Key", "1"],
      ["x-key", "2"],
      ["Host", "lists.example"],
    ] as const;
    await using endpoint = await new Endpoint().start({ headers });
    const [request] = endpoint.requests;
    assert.equal(request?.method, "GET");
    assert.equal(request.url, "/servers?key=secret");
    assert.equal(request.headers["x-key"], "1, 2");
    assert.equal(request.headers.host, "lists.example");
    assert.equal(request.headers.accept, "application/json");
    assert.equal(request.headers.connection, "close");
    assert.equal(request.headers["if-none-match"], undefined);
  });

  test("stay when they are the edition that is known", async () => {
    await using endpoint = new Endpoint();
    endpoint.answer = (_request, response) => void response.setHeader("ETag", '"1"').end('["a:1"]');
    await endpoint.start();
    await endpoint.poll((request, response) => {
      response.statusCode = request.headers["if-none-match"] === '"1"' ? 304 : 500;
      response.end();
    });
    await endpoint.poll((request, response) => {
      assert.equal(request.headers["if-none-match"], '"1"');
      response.setHeader("ETag", '"2"').end('["b:1"]');
    });
    await endpoint.heard.untilLists(2);
    await endpoint.poll((request, response) => {
      assert.equal(request.headers["if-none-match"], '"2"');
      response.end("[");
    });
    await endpoint.heard.untilErrors(1);
    assert.match(endpoint.heard.errors[0]!, /no JSON/);
    await endpoint.poll((_request, response) => void response.writeHead(304).end());
    await endpoint.heard.untilLists(3);
    assert.deepEqual(endpoint.heard.addresses, ["b:1"], "the same again: all is well");
  });

  const failures: Readonly<Record<string, readonly [answer: Answer | string, message: RegExp]>> = {
    "it answers 500": [(_request, response) => void response.writeHead(500).end("[]"), /it answered 500/],
    "it leads elsewhere": [
      (_request, response) => void response.writeHead(302, { location: "/b" }).end(),
      /it answered 302/,
    ],
    "it says nothing is new of nothing": [
      (_request, response) => void response.writeHead(304).end(),
      /it answered 304/,
    ],
    "it answers something else": ["<html>", /its answer is no JSON/],
    "it answers no list": ['{"a": 1}', /it holds no list of servers/],
    "it answers an empty list": ["[]", /there is no server in it/],
    "it has only wrong entries": ["[0]", /entry 1, 0: nothing answers on port 0/],
    "it breaks off": [
      (_request, response) => {
        response.writeHead(200, { "content-length": 100 }).write('["b:1"');
        setImmediate(() => response.destroy());
      },
      /aborted/,
    ],
    "it hangs up": [(request) => void request.destroy(), /socket hang up/],
    "it never ends": [
      (_request, response) => {
        const chunk = Buffer.alloc(65_536, " ");
        const more = (): void => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on("drain", more);
        more();
      },
      /its answer is longer than 8388608 bytes/,
    ],
  };
  for (const [what, [answer, message]] of Object.entries(failures)) {
    test(`stay when ${what}`, async () => {
      await using endpoint = await new Endpoint().start();
      const { heard } = endpoint;
      await endpoint.poll(answer);
      await heard.untilErrors(1);
      assert.match(heard.errors[0]!, message);
      assert.ok(heard.errors[0]!.startsWith(`http://127.0.0.1:${endpoint.port}/servers: `));
      assert.equal(heard.lists.length, 1);
      await endpoint.poll('["b:1"]');
      await heard.untilLists(2);
      assert.deepEqual(heard.addresses, ["b:1"]);
    });
  }

  for (const begins of [false, true]) {
    test(`stay when it takes too long, ${begins ? "though it begins to answer" : "and says nothing"}`, async () => {
      await using endpoint = await new Endpoint().start();
      const { promise, resolve } = Promise.withResolvers<void>();
      const closed = Promise.withResolvers<void>();
      await endpoint.poll((request, response) => {
        request.on("close", closed.resolve);
        if (begins) response.write("[");
        resolve();
      });
      await promise;
      endpoint.rig.clock.advance(2_000);
      await endpoint.heard.untilErrors(1);
      assert.match(endpoint.heard.errors[0]!, /no answer within 2 s/);
      await closed.promise;
      await endpoint.poll('["b:1"]');
      await endpoint.heard.untilLists(2);
    });
  }

  test("are those that can be read, and the others are named", async () => {
    await using endpoint = new Endpoint();
    endpoint.answer = (_request, response) => void response.end('["a:1", {"address": "b"}]');
    await endpoint.start();
    assert.deepEqual(endpoint.heard.addresses, ["a:1"]);
    assert.match(endpoint.heard.errors[0]!, /entry 2, \{"address":"b"\}: Address "b" is none/);
  });

  test("may come later than the start", async () => {
    const port = await freePort();
    await using endpoint = await new Endpoint().start({ url: `http://127.0.0.1:${port}/` });
    assert.match(endpoint.heard.errors[0]!, /ECONNREFUSED/);
  });

  test("come over TLS only from a server whose certificate is good", async () => {
    const identity = await (await createAuthority()).issue();
    const server = createSecureServer(identity);
    const port = await listen(server);
    using rig = new DiscoveryRig({
      kind: "http",
      url: `https://localhost:${port}/`,
      headers: [],
      interval: 10_000,
      timeout: 2_000,
    });
    await rig.start();
    assert.deepEqual(rig.heard.lists, []);
    assert.match(rig.heard.errors[0]!, /certificate/);
    server.close();
  });

  test("aren't waited for any more after it was stopped", async () => {
    await using endpoint = new Endpoint();
    const { promise, resolve } = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    endpoint.answer = (request) => {
      request.on("close", closed.resolve);
      resolve();
    };
    const started = endpoint.start();
    await promise;
    endpoint.rig.discovery.stop();
    await started;
    await closed.promise;
    assert.deepEqual([endpoint.heard.lists, endpoint.heard.errors], [[], []]);
  });
});
