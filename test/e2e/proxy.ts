import assert from "node:assert/strict";
import { Counter, type CounterName, Counters } from "../../src/base/counters.ts";
import { type ProxyError, toProxyError } from "../../src/base/errors.ts";
import type { TlsFailure } from "../../src/net/tls/tls-acceptor.ts";
import type { SessionObserver } from "../../src/proxy/http-proxy.ts";
import { type HttpProxyServiceOptions, httpProxy } from "../../src/proxy/http-proxy-service.ts";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import { Server } from "../../src/proxy/server.ts";
import { Connector } from "../../src/upstream/connector.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";
import type { PoolOptions } from "../../src/upstream/pool.ts";
import { until } from "../kit/deadline.ts";
import { PatternVerifier, patternView } from "../kit/pattern.ts";
import { connectRaw, type RawClient, type RawClientOptions } from "../kit/raw-client.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { type RawConnection, type RawOrigin, type RawScript, startRawOrigin } from "../kit/raw-origin.ts";
import type { RawSocket } from "../kit/raw-socket.ts";

/** Phases before the client has got anything, in which a failure can be answered. */
export const EARLY_PHASES: readonly (keyof ProxyPhases)[] = [
  "newContext",
  "earlyRequestFilter",
  "requestFilter",
  "proxyUpstreamFilter",
  "upstreamPeer",
  "connectedToUpstream",
  "upstreamRequestFilter",
  "requestBodyFilter",
  "upstreamResponseFilter",
  "responseFilter",
];

export interface ProxyOptions<C> extends Omit<HttpProxyServiceOptions<C>, "listen" | "phases" | "connector"> {
  /** Where requests go unless the phases choose otherwise: a server, or the script of one made for the occasion. */
  readonly origin?: { readonly port: number } | RawScript;
  readonly peer?: PeerOptions;
  readonly phases?: Partial<ProxyPhases<C>>;
  /** Default: one port of the loopback. */
  readonly listen?: readonly string[];
  readonly pool?: PoolOptions;
  /** Hears of every session. Its presence makes the engine keep heads longer, so it is off unless a test wants it. */
  readonly observer?: SessionObserver;
}

/** An error that was reported, with its summary. */
export interface Reported {
  readonly error: ProxyError;
  /** The request, or the listener that an error concerns. */
  readonly summary: string;
}

/**
 * A proxy in a server in this process. Its disposal is a test of its own: every gauge must come back to 0, and every
 * connection to a server must be gone.
 */
export class ProxyUnderTest implements AsyncDisposable {
  readonly counters: Counters;
  readonly connector: Connector;
  readonly reported: readonly Reported[];
  /** Handshakes of clients that failed. */
  readonly handshakes: readonly TlsFailure[];
  readonly server: Server;
  /** The scripted origin, where there is one. */
  readonly #origin: RawOrigin | null;
  readonly #clients: RawClient[] = [];

  constructor(parts: {
    readonly server: Server;
    readonly counters: Counters;
    readonly connector: Connector;
    readonly reported: readonly Reported[];
    readonly handshakes: readonly TlsFailure[];
    readonly origin: RawOrigin | null;
  }) {
    this.server = parts.server;
    this.counters = parts.counters;
    this.connector = parts.connector;
    this.reported = parts.reported;
    this.handshakes = parts.handshakes;
    this.#origin = parts.origin;
  }

  get origin(): RawOrigin {
    assert.ok(this.#origin !== null, "this proxy's origin isn't a script");
    return this.#origin;
  }

  get port(): number {
    return this.portOf(0);
  }

  portOf(listener: number): number {
    return Number(/:(\d+)$/.exec(this.server.addresses[listener] ?? "")?.[1]);
  }

  /** A client that is closed with the proxy. */
  async connect(
    options: RawClientOptions & { readonly host?: string; readonly port?: number } = {},
  ): Promise<RawClient> {
    const { host = "127.0.0.1", port = this.port, ...rest } = options;
    const client = await connectRaw({ host, port }, rest);
    this.#clients.push(client);
    return client;
  }

  count(name: CounterName): number {
    return this.counters.get(Counter[name]);
  }

  /** Waits until nothing is under way: no request, no tunnel, and no client but `clients` of them. */
  async settled(clients: number = 0): Promise<void> {
    try {
      await until("nothing is under way", () => {
        const isQuiet = this.count("requestsActive") === 0 && this.count("tunnelsActive") === 0;
        return isQuiet && this.count("connectionsOpen") === clients;
      });
    } catch (cause) {
      const names = ["requestsActive", "tunnelsActive", "connectionsOpen"] as const;
      throw new Error(names.map((name) => `${name} ${this.count(name)}`).join(", "), { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.destroy();
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
    await this.settled();
    this.connector.close();
    await until("connections to servers are closed", () => this.connector.open === 0);
    await this.#origin?.[Symbol.asyncDispose]();
  }
}

/** Starts a proxy before `origin`. */
export async function startProxy<C = undefined>(options: ProxyOptions<C> = {}): Promise<ProxyUnderTest> {
  const { origin, peer, phases, listen = ["127.0.0.1:0"], pool, observer, ...rest } = options;
  const counters = Counters.local();
  const connector = new Connector(pool);
  const isScript = origin !== undefined && !("port" in origin);
  const scripted = isScript ? await startRawOrigin(origin) : null;
  const port = scripted?.port ?? (origin as { port: number } | undefined)?.port ?? 0;
  const upstreamPeer = (): HttpPeer => new HttpPeer(`127.0.0.1:${port}`, peer);
  const program = phases?.upstreamPeer === undefined ? { upstreamPeer, ...phases } : phases;
  const service = httpProxy<C>({ ...rest, listen, connector, phases: program as ProxyPhases<C> });
  const reported: Reported[] = [];
  const handshakes: TlsFailure[] = [];
  const reporter = {
    onHandshakeFailed: (_: string, __: string, failure: TlsFailure) => void handshakes.push(failure),
    onSessionError: (error: ProxyError, summary: string) => void reported.push({ error, summary }),
    onListenerError: (summary: string, error: Error) =>
      void reported.push({ error: toProxyError(error), summary }),
    onServiceError: (name: string, error: unknown) => assert.fail(`${name}: ${error}`),
  };
  const server = new Server([service], { counters, observer: observer ?? null, reporter });
  await server.start();
  return new ProxyUnderTest({ server, counters, connector, reported, handshakes, origin: scripted });
}

/** What a server answers to a request; the rest of the connection is its own business. */
export type Answer =
  | string
  | Uint8Array
  | ((
      request: RawRequest,
      connection: RawConnection,
    ) => string | Uint8Array | undefined | Promise<string | Uint8Array | undefined>);

/** A script that reads request after request into `requests` and answers each. */
export function answering(answer: Answer, requests: RawRequest[] = []): RawScript {
  return async (connection) => {
    for (;;) {
      const request = await connection.readRequest();
      requests.push(request);
      const bytes = typeof answer === "function" ? await answer(request, connection) : answer;
      if (bytes !== undefined) void connection.write(bytes);
    }
  };
}

/** A plain 200 with a body. */
export function ok(body: string = "ok", ...headers: readonly string[]): string {
  const lines = ["HTTP/1.1 200 OK", ...headers, `Content-Length: ${body.length}`, "", body];
  return lines.join("\r\n");
}

/** A request in wire form. */
export function request(line: string, ...headers: readonly string[]): string {
  return [`${line} HTTP/1.1`, "Host: a.example", ...headers, "", ""].join("\r\n");
}

/** Writes `length` bytes of the pattern as fast as they are taken, from its `offset` on. */
export async function writePattern(socket: RawSocket, length: number, seed = 0, offset = 0): Promise<void> {
  for (let sent = 0; sent < length; ) {
    const view = patternView(length - sent, offset + sent, seed);
    await socket.write(view);
    sent += view.length;
  }
}

/** Reads `length` bytes and checks each. */
export async function readPattern(socket: RawSocket, length: number, seed = 0): Promise<void> {
  const verifier = new PatternVerifier(seed);
  while (verifier.offset < length) {
    const chunk = await socket.readSome(length - verifier.offset);
    assert.ok(chunk.length > 0, `the body ended at ${verifier.offset}`);
    verifier.write(chunk);
  }
}

/** A valid request, on a connection of its own, gets the answer to it. */
export async function isWell(proxy: ProxyUnderTest): Promise<void> {
  const client = await proxy.connect();
  const response = await client.exchange(request("GET /well", "Connection: close"));
  assert.equal(response.body.toString(), "GET /well ");
  client.destroy();
}

/** Waits until a number no longer changes: that nothing happens has no event. */
export async function standstill(value: () => number): Promise<void> {
  let last = -1;
  let since = performance.now();
  await until("nothing moves", () => {
    if (value() !== last) since = performance.now();
    last = value();
    return last > 0 && performance.now() - since > 150;
  });
}
