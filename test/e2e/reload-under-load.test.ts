import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { openSocket, startSocketServer } from "../kit/websockets.ts";
import { echoes, Reloading, startEcho } from "./reloading.ts";
import { comesAnew, keepsAlive, resumesSession, SteadyVisitors, speaksHttp2 } from "./steady-visitors.ts";

const SWAPS = 20;
/** Threads of one generation after the other. */
const GENERATIONS = [1, 2, 2, 1, 2];

interface Servers {
  readonly origin: Origin;
  readonly echo: number;
  readonly chat: number;
}

/** @param turn makes each configuration another one than that before */
function configuration({ origin, echo, chat }: Servers, folder: TemporaryDirectory, turn: number): string {
  const extra = turn % 2 === 0 ? "" : `{ name: extra, bind: "127.0.0.1:0", upstream: "${origin.address}" }`;
  return `
listeners:
  - name: web
    bind: 127.0.0.1:0
    timeouts: { keepalive: ${60 + (turn % 3)}s }
    routes:
      - match: { path: /chat }
        upstream: chat
      - upstream: origin
        response_headers: { set: { x-turn: "${turn}" } }
  - name: secure
    bind: localhost:0
    tls: { cert: "${folder.join("cert.pem")}", key: "${folder.join("key.pem")}", handshake_timeout: ${10 + (turn % 5)}s }
    upstream: origin
  - { name: raw, protocol: tcp, bind: "127.0.0.1:0", upstream: "127.0.0.1:${echo}", timeouts: { connect: ${5 + (turn % 2)}s } }
${extra === "" ? "" : `  - ${extra}`}
upstreams:
  chat: 127.0.0.1:${chat}
  origin: { servers: ["${origin.address}"], ${turn % 4 === 3 ? "balance: random" : ""} }
`;
}

/** All that are open, but for connections that wait in pools, whose both ends are here. */
function descriptors(origin: Origin): number {
  return readdirSync("/proc/self/fd").length - 2 * origin.openConnections;
}

describe("reloading under load", () => {
  test("loses no request and no connection, and leaves nothing behind", async () => {
    await using folder = await createTemporaryDirectory();
    const authority = await createAuthority();
    const { cert, key } = await authority.issue();
    await folder.write("cert.pem", cert);
    await folder.write("key.pem", key);
    await using origin = await startOrigin();
    await using echo = await startEcho();
    await using chat = await startSocketServer(1);
    const servers = { origin, echo: echo.port, chat: chat.port };
    await using plane = await Reloading.start(configuration(servers, folder, 0), 2);
    const descriptorsBefore = descriptors(origin);

    await using clients = new AsyncDisposableStack();
    const accepted = chat.accept();
    const near = await openSocket(1, plane.port(0), clients);
    const far = await accepted;
    const raw = clients.use(await connectRaw(plane.proxyPort("raw")));
    let said = 0;
    const talk = async (): Promise<void> => {
      const text = `message ${++said};`;
      near.send(text);
      const [heard] = (await once(far, "message")) as [Buffer];
      assert.equal(heard.toString(), text);
      await echoes(raw, text);
    };
    await talk();

    await using visitors = new SteadyVisitors();
    const tls = { ca: authority.cert, servername: "localhost" };
    visitors.send("kept alive", keepsAlive(plane.port(0)));
    visitors.send("new", comesAnew(plane.port(0)));
    visitors.send("HTTP/2", speaksHttp2(plane.port(0)));
    visitors.send("kept alive, TLS", keepsAlive(plane.port(1), { tls }));
    visitors.send("new, TLS", resumesSession(plane.port(1)));

    for (let turn = 1; turn <= SWAPS; turn++) {
      const { kind } = await plane.reload(configuration(servers, folder, turn));
      assert.equal(kind, "swap");
      await talk();
    }
    assert.equal(plane.running.generations.length, 1);
    for (const [i, threads] of GENERATIONS.entries()) {
      const { kind } = await plane.reload(configuration(servers, folder, i + 1), { threads });
      assert.equal(kind, i === 2 ? "swap" : "generation");
      await talk();
    }
    await plane.reload(configuration(servers, folder, 0), { threads: 2 });
    await visitors[Symbol.asyncDispose]();
    assert.deepEqual(visitors.failures, []);
    for (const [name, count] of Object.entries(visitors.visits))
      assert.ok(count > SWAPS, `${name}: ${count}`);

    assert.deepEqual([near.readyState, echo.accepted], [near.OPEN, 1]);
    const [current, ...earlier] = plane.running.generations;
    assert.deepEqual([current?.draining, current?.threads], [false, 2]);
    await until("only the generation with the long connections is left", () => {
      return plane.running.generations.filter(({ draining }) => draining).length === 1;
    });
    assert.equal(earlier.at(-1)?.number, 1);
    await talk();
    await clients.disposeAsync();
    await until("no earlier generation is left", () => plane.running.generations.length === 1);
    await until("no descriptor is left open", () => descriptors(origin) <= descriptorsBefore);
  });
});
