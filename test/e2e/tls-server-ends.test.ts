import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { HttpClient } from "../../src/proxy/http-client.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { listen } from "../kit/ports.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { startProxy } from "./proxy.ts";

const authority = await createAuthority();
const identity = await authority.issue({ names: ["good.test"] });
const UNTIL_CLOSE = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

/** How a server is done with a connection: TLS says that this is the end, or only TCP does. */
type Ending = "close_notify" | "fin";

/** A server that answers with `response` and then ends its direction. */
class EndingServer implements AsyncDisposable {
  port = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(response: string, ending: Ending, { maxVersion = "TLSv1.3", isLate = false } = {}) {
    this.#server = createServer((raw) => {
      this.#sockets.add(raw.on("error", () => undefined));
      const socket = new TLSSocket(raw, { isServer: true, ...identity, maxVersion: maxVersion as "TLSv1.3" });
      socket
        .on("error", () => undefined)
        .once("data", async () => {
          await new Promise<void>((resolve) => void socket.write(response, () => resolve()));
          if (isLate) await nextTurn();
          if (ending === "close_notify") socket.end();
          else raw.end();
        });
    });
  }

  async start(): Promise<this> {
    this.port = await listen(this.#server);
    return this;
  }

  peer(): HttpPeer {
    const tls = { ca: authority.cert, sni: "good.test" };
    return new HttpPeer(`127.0.0.1:${this.port}`, { tls, protocol: "http1" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.resolve();
  }
}

describe("a body that only the end of the connection ends", () => {
  const body = "x".repeat(3_000_000);
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
    for (const isLate of [false, true]) {
      const how = `${maxVersion}, ${isLate ? "later" : "at once"}`;

      test(`is whole when TLS says so, ${how}`, async () => {
        const server = new EndingServer(UNTIL_CLOSE + body, "close_notify", { maxVersion, isLate });
        await using _ = await server.start();
        using client = new HttpClient();
        const response = await client.request(server.peer());
        assert.equal((await response.text()).length, body.length);
      });

      test(`is broken off when only TCP does, ${how}`, async () => {
        const server = new EndingServer(UNTIL_CLOSE + body, "fin", { maxVersion, isLate });
        await using _ = await server.start();
        using client = new HttpClient();
        const response = await client.request(server.peer());
        await assert.rejects(response.text(), {
          code: "UPSTREAM_CLOSED",
          message: /without saying so in TLS/,
        });
      });
    }
  }

  test("is whole also for somebody who reads it slowly", async () => {
    const server = new EndingServer(UNTIL_CLOSE + body, "close_notify");
    await using _ = await server.start();
    await using proxy = await startProxy({ phases: { upstreamPeer: () => server.peer() } });
    await using client = await connectRaw(proxy.port);
    client.socket.pause();
    client.write("GET / HTTP/1.0\r\n\r\n");
    await until("the response has begun", () => proxy.count("responseBodyBytes") > 0);
    client.socket.resume();
    assert.equal(await client.closed, "end");
    assert.ok(client.socket.bytesRead > body.length);
    assert.deepEqual(proxy.reported, []);
  });

  test("is no whole one for the proxy's client either", async () => {
    const server = new EndingServer(`${UNTIL_CLOSE}half`, "fin");
    await using _ = await server.start();
    await using proxy = await startProxy({ phases: { upstreamPeer: () => server.peer() } });
    await assert.rejects(async () => (await fetch(`http://127.0.0.1:${proxy.port}/`)).text());
    await until("it is reported", () => proxy.reported.length > 0);
  });
});

test("a body of a known length needs no end", async () => {
  const server = new EndingServer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfull", "fin");
  await using _ = await server.start();
  using client = new HttpClient();
  assert.equal(await (await client.request(server.peer())).text(), "full");
});
