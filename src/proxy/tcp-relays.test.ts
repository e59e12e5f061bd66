import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { createAuthority } from "../../test/kit/certificates.ts";
import { captureHello } from "../../test/kit/client-hello.ts";
import { until } from "../../test/kit/deadline.ts";
import { listen } from "../../test/kit/ports.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { startRawOrigin } from "../../test/kit/raw-origin.ts";
import { createFaults, EventLog, PROXY_SETTINGS, toxic } from "../../test/kit/stream-proxy.ts";
import { visitSecurely } from "../../test/kit/tls-client.ts";
import { Counter, Counters } from "../base/counters.ts";
import { TimeoutQueue } from "../base/timeouts.ts";
import type { Faults } from "../chaos/faults.ts";
import { latency } from "../chaos/toxics/latency.ts";
import { HandshakeLimit } from "../net/tls/handshake-limit.ts";
import { TlsAcceptor } from "../net/tls/tls-acceptor.ts";
import type { RelaySettings } from "./tcp-relay.ts";
import { TcpRelays } from "./tcp-relays.ts";

const authority = await createAuthority();
const identity = await authority.issue({ names: ["a.example"] });

/** A listener that passes everything on, to one server. */
class PassingListener implements AsyncDisposable {
  port = 0;
  readonly counters: Counters = Counters.local();
  readonly log: EventLog = new EventLog();
  readonly passed: TcpRelays;
  readonly server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
    this.#acceptor.accept(socket),
  );
  readonly #acceptor: TlsAcceptor;

  constructor(upstream: string, settings: Partial<RelaySettings>, faults: Faults | null) {
    const upstreams = [upstream];
    this.passed = new TcpRelays({ ...PROXY_SETTINGS, ...settings }, { faults, onEvent: this.log.push });
    this.passed.start({ counters: this.counters, thread: 3 });
    const options = { timeout: new TimeoutQueue(10_000), limit: new HandshakeLimit(0) };
    this.#acceptor = new TlsAcceptor(
      { ...options, expectsProxyHeader: false },
      {
        choose: ({ serverName }) => (serverName === "a.example" ? "pass" : "refuse"),
        onPassed: (socket, hello, bytes, addresses) =>
          this.passed.pass(socket, hello, upstreams, bytes, addresses),
        onSecure: () => assert.fail("nothing is opened"),
        onPlainHttp: () => assert.fail("nobody speaks HTTP"),
        onFailed: () => undefined,
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    this.passed.destroy();
    await until("no connection is left", () => this.passed.size === 0);
    assert.equal(this.counters.get(Counter.connectionsOpen), 0);
  }
}

async function startPassing(
  upstream: string,
  settings: Partial<RelaySettings> = {},
  faults: Faults | null = null,
): Promise<PassingListener> {
  const listener = new PassingListener(upstream, settings, faults);
  listener.port = await listen(listener.server);
  return listener;
}

const startEcho = () => startRawOrigin(({ socket }) => void socket.pipe(socket), { tls: identity });

describe("connections that are passed on", () => {
  test("meet their server's own certificate", async () => {
    await using origin = await startEcho();
    await using listener = await startPassing(origin.address);
    const trusting = { ca: authority.cert, rejectUnauthorized: true };
    assert.equal(
      (await visitSecurely(listener.port, { ...trusting, servername: "a.example" })).answer,
      "ping",
    );
    await assert.rejects(visitSecurely(listener.port, { servername: "c.example" }));
    assert.deepEqual(listener.log.of("opened"), [`to ${origin.address}, unopened for a.example`]);
    assert.match(await listener.log.next("closed"), /^\d+ B up, \d+ B down/);
  });

  test("with what came of them first, behind the header of the PROXY protocol", async () => {
    await using origin = await startRawOrigin(() => undefined);
    await using listener = await startPassing(origin.address, { sendProxyProtocol: 1 });
    const hello = await captureHello({ servername: "a.example" });
    await using client = await connectRaw(listener.port);
    await client.writePieces(hello, [1, 5, 100]);
    await client.write("more");
    const connection = await origin.connection(0);
    const header = `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.socket.localPort} ${listener.port}\r\n`;
    assert.equal((await connection.readExactly(header.length)).toString(), header);
    assert.deepEqual(await connection.readExactly(hello.length), hello);
    assert.equal((await connection.readExactly(4)).toString(), "more");
    const [state] = listener.passed.connections();
    assert.equal(state?.id, "3.1");
    assert.deepEqual(state.tls, { serverName: "a.example", version: "" });
    client.end();
    assert.equal((await connection.readToEnd()).length, 0);
    connection.end("bye");
    assert.equal((await client.readToEnd()).toString(), "bye");
    await until("it is over", () => listener.passed.size === 0);
  });

  test("under the listener's limits and faults", async () => {
    await using origin = await startRawOrigin(() => undefined);
    const faults = createFaults([latency]);
    faults.add(toxic("latency", { stream: "upstream", attributes: { latency: 200 } }));
    await using listener = await startPassing(origin.address, { maxConnectionsPerClient: 1 }, faults);
    const hello = await captureHello({ servername: "a.example" });
    const from = performance.now();
    await using client = await connectRaw(listener.port);
    await client.write(hello);
    assert.deepEqual(await (await origin.connection(0)).readExactly(hello.length), hello);
    assert.ok(performance.now() - from > 195);
    await using second = await connectRaw(listener.port);
    await second.write(hello);
    assert.notEqual(await second.closed, "here");
    assert.deepEqual(listener.log.of("refused"), ["connection limit of 1 per client reached"]);
    assert.equal(listener.counters.get(Counter.connectionsRefused), 1);
  });
});
