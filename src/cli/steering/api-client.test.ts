import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ApiClient, ApiError, pathOf } from "./api-client.ts";

interface Request {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** A server that notes requests and gives every one the same answer. */
class Answerer implements AsyncDisposable {
  readonly requests: Request[] = [];
  status = 200;
  text = "{}";
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (await request.toArray()).join("");
    const { method = "", url = "", headers } = request;
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    this.requests.push({ method, url, authorization: headers.authorization, body });
    response.writeHead(this.status, { "content-type": "text/plain" }).end(this.text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

const proxy = { name: "db", listen: "127.0.0.1:1", upstream: "127.0.0.1:2", enabled: true, toxics: [] };
const toxic = { name: "slow", type: "latency", stream: "upstream", toxicity: 1, attributes: { latency: 5 } };

test("calls go to the paths of the API, with names encoded and the token", async () => {
  await using server = new Answerer();
  const client = new ApiClient({ url: await server.listen(), token: "secret" });
  server.text = JSON.stringify({ db: { ...proxy, toxics: [toxic], mode: "allow" } });
  assert.deepEqual(await client.proxies(), [{ ...proxy, toxics: [toxic], mode: "allow" }]);
  server.text = JSON.stringify({ ...proxy, toxics: null });
  assert.deepEqual(await client.proxy("a/b c"), proxy);
  await client.createProxy({ name: "db", upstream: "127.0.0.1:2" });
  await client.updateProxy("db", { enabled: false });
  await client.deleteProxy("db");
  server.text = JSON.stringify(toxic);
  await client.addToxic("db", { type: "latency" });
  await client.updateToxic("db", "slow", { attributes: { latency: 7 } });
  await client.removeToxic("db", "slow");
  await client.reset();
  assert.deepEqual(
    server.requests.map(({ method, url, body }) => [method, url, ...(body === undefined ? [] : [body])]),
    [
      ["GET", "/proxies"],
      ["GET", "/proxies/a%2Fb%20c"],
      ["POST", "/proxies", { name: "db", upstream: "127.0.0.1:2" }],
      ["POST", "/proxies/db", { enabled: false }],
      ["DELETE", "/proxies/db"],
      ["POST", "/proxies/db/toxics", { type: "latency" }],
      ["POST", "/proxies/db/toxics/slow", { attributes: { latency: 7 } }],
      ["DELETE", "/proxies/db/toxics/slow"],
      ["POST", "/reset"],
    ],
  );
  assert.ok(server.requests.every(({ authorization }) => authorization === "Bearer secret"));
});

test("an error is what the server said", async () => {
  await using server = new Answerer();
  const client = new ApiClient({ url: await server.listen(), token: null });
  server.status = 404;
  server.text = '{"error":"proxy not found","status":404}\n';
  const details = { error: "proxy not found", status: 404 };
  await assert.rejects(client.proxy("x"), new ApiError(404, "proxy not found", { details }));
  server.text = "404 page not found\n";
  await assert.rejects(client.reset(), { status: 404, message: "404 page not found" });
  server.status = 405;
  server.text = "";
  await assert.rejects(client.reset(), { status: 405, message: "HTTP 405" });
  assert.equal(server.requests[0]?.authorization, undefined);
});

test("another kind of server is told from one that knows the API", async () => {
  await using server = new Answerer();
  const url = await server.listen();
  server.text = "<html>\n<p>Hello</p></html>";
  await assert.rejects(new ApiClient({ url, token: null }).proxies(), {
    message: `${url} doesn't speak Toxiproxy's API: GET /proxies gave <html> <p>Hello</p></html>`,
  });
});

test("a server that isn't there is named", async () => {
  const server = new Answerer();
  const url = await server.listen();
  await server[Symbol.asyncDispose]();
  await assert.rejects(new ApiClient({ url: url.replace("http://", ""), token: null }).version(), {
    status: 0,
    message: `can't reach ${url}: connection refused`,
  });
});

test("a server that doesn't answer is given up", async () => {
  const server = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new ApiClient({ url, token: null, timeout: 20 });
  await assert.rejects(client.version(), { message: `can't reach ${url}: no answer in time` });
  server.closeAllConnections();
  server.close();
});

test("what is no URL of a server is refused", () => {
  assert.throws(() => new ApiClient({ url: "ftp://a", token: null }), TypeError);
  assert.throws(() => new ApiClient({ url: "http://a:b:c", token: null }), TypeError);
  assert.equal(new ApiClient({ url: "localhost:8474", token: null }).url, "http://localhost:8474");
  assert.equal(new ApiClient({ url: "https://a/sluice/", token: null }).url, "https://a/sluice");
});

test("paths are encoded piece by piece", () => {
  assert.equal(pathOf("a/b", "toxics", "c?d"), "/proxies/a%2Fb/toxics/c%3Fd");
});
