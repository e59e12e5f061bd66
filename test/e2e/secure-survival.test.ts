import assert from "node:assert/strict";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Authority, createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { Http2Client, readAnswer } from "../kit/http2-client.ts";
import type { ServerKind } from "../kit/origin-servers.ts";
import { type Balancer, startBalancer } from "./balancer.ts";
import { MortalServer } from "./mortal-server.ts";
import { writeIdentity } from "./tls-sluice.ts";
import { nameIn, Traffic } from "./traffic.ts";

/*
 * What survival.test.ts tells of HTTP/1, for clients with TLS: requests flow as streams of one connection of HTTP/2 and
 * over HTTP/1.1, while one of two servers is killed, falls ill or falls silent, and comes back. Not one of them may fail.
 */

const PATIENT = "retry: { on: [connect_failure, reset, timeout], try_timeout: 1s }";
/** Requests at a time: streams, and of HTTP/1.1 over kept connections and over new ones. */
const STREAMS = 6;
const KEPT = 2;
const FRESH = 1;
const POST_BYTES = 10_000;

const authority: Authority = await createAuthority();
const identity = await authority.issue();
const TRUST = { ca: authority.cert, servername: "localhost" };

/** What servers speak, what the balancer is told of it, and how it asks whether they are well. */
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  "HTTP/1": { kind: {}, upstream: "protocol: http1", check: "http: /health" },
  h2c: { kind: { http2: true }, upstream: "protocol: h2c", check: "grpc: true" },
  "HTTP/2 over TLS": {
    kind: { http2: true, tls: { cert: identity.cert, key: identity.key } },
    upstream: "tls: { ca: CA, sni: localhost }",
    check: "http: /health",
  },
};

interface Protocol {
  readonly kind: ServerKind;
  readonly upstream: string;
  readonly check: string;
}

/** Two servers that may die, and a balancer with TLS before them. */
class Stage implements AsyncDisposable {
  readonly a: MortalServer;
  readonly b: MortalServer;
  readonly balancer: Balancer;
  readonly #all: AsyncDisposableStack;

  private constructor(a: MortalServer, b: MortalServer, balancer: Balancer, all: AsyncDisposableStack) {
    this.a = a;
    this.b = b;
    this.balancer = balancer;
    this.#all = all;
  }

  static async start({ kind, upstream, check }: Protocol): Promise<Stage> {
    await using all = new AsyncDisposableStack();
    const folder = all.use(await createTemporaryDirectory());
    await writeIdentity(folder, identity);
    const ca = await folder.write("ca.pem", authority.cert);
    const a = all.use(await MortalServer.start(kind));
    const b = all.use(await MortalServer.start(kind));
    const watch = `health_check: { ${check}, interval: 250ms, timeout: 2s }`;
    const balancer = await startBalancer({
      threads: 2,
      servers: [a.address, b.address],
      upstream: [watch, PATIENT, upstream.replace("CA", ca)],
      listener: [`tls: { cert: ${folder.join("cert.pem")}, key: ${folder.join("key.pem")} }`],
    });
    all.use(balancer);
    return new Stage(a, b, balancer, all.move());
  }

  get port(): number {
    return this.balancer.sluice.port;
  }

  /** Waits until the balancer takes the first server for this. */
  whenA(state: string): Promise<void> {
    return this.balancer.when(this.a.address, state);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#all.disposeAsync();
  }
}

/** A request of HTTP/1.1 whose head is sent at once; ended by the caller, with as many bytes as the answer tells of. */
function ask(
  port: number,
  options: RequestOptions,
  bytes: number,
): { answer: Promise<string>; end(body?: Buffer): void } {
  const request = httpsRequest({ ...TRUST, host: "127.0.0.1", port, ...options });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request.once("error", reject).once("response", (response) => {
    response.toArray().then((pieces: Buffer[]) => {
      resolve(nameIn(response.statusCode ?? 0, Buffer.concat(pieces).toString(), bytes));
    }, reject);
  });
  request.flushHeaders();
  return { answer: promise, end: (body) => void request.end(body) };
}

function startTraffic({ port }: Stage): Traffic {
  const client = new Http2Client(port, TRUST);
  const agent = new Agent({ keepAlive: true, maxSockets: KEPT });
  const overHttp1 = (over: Agent | false): Promise<string> => {
    const request = ask(port, { agent: over }, 0);
    request.end();
    return request.answer;
  };
  const stream = async (): Promise<string> => {
    const { status, body, code } = await client.get("/");
    return nameIn(code === 0 ? status : -code, body.toString(), 0);
  };
  const lanes = [
    ...Array.from({ length: STREAMS }, () => stream),
    ...Array.from({ length: KEPT }, () => () => overHttp1(agent)),
    ...Array.from({ length: FRESH }, () => async () => {
      // Handshakes are most of the work, and one now and then shows as much.
      await delay(40);
      return await overHttp1(false);
    }),
  ];
  return new Traffic(lanes, async () => {
    agent.destroy();
    // It is one and the same connection all the time.
    if (client.closed || client.goaways.length > 0) throw new Error("the connection of HTTP/2 was closed");
    await client[Symbol.asyncDispose]();
  });
}

/** A POST whose head is sent at once; what comes of it when its body is sent. */
type HesitantPost = () => Promise<string>;

function postOverHttp1({ port }: Stage, headers: Record<string, string>): HesitantPost {
  const request = ask(port, { method: "POST", agent: false, headers }, POST_BYTES);
  return () => {
    request.end(Buffer.alloc(POST_BYTES, "x"));
    return request.answer;
  };
}

function postOverHttp2(client: Http2Client): HesitantPost {
  const stream = client.open({ ":method": "POST", ":path": "/" });
  const answer = readAnswer(stream).then(({ status, body }) => nameIn(status, body.toString(), POST_BYTES));
  return () => {
    stream.end(Buffer.alloc(POST_BYTES, "x"));
    return answer;
  };
}

/** Its requests flow while the first server goes through all that may befall one. */
async function befall(stage: Stage): Promise<void> {
  const { a, b } = stage;
  const traffic = startTraffic(stage);
  await traffic.more(a, 50);
  await a.kill();
  await stage.whenA("down");
  await traffic.more(b, 50);
  await a.revive();
  await traffic.more(a, 50);
  await a.setHealth(500);
  await stage.whenA("down");
  const before = traffic.of(a);
  await traffic.more(b, 50);
  assert.ok(traffic.of(a) - before <= STREAMS + KEPT + FRESH, "it got more while it was ill");
  await a.setHealth(200);
  await traffic.more(a, 50);
  a.freeze();
  await stage.whenA("down");
  await traffic.more(b, 50);
  a.thaw();
  await traffic.more(a, 50);
  await traffic.endWell(a, b);
}

/** A server dies between heads and bodies. */
async function hesitate(stage: Stage): Promise<void> {
  await using client = new Http2Client(stage.port, TRUST);
  const posts = Array.from({ length: 12 }, (_, i): HesitantPost => {
    if (i % 2 === 0) return postOverHttp2(client);
    return postOverHttp1(stage, i % 4 === 1 ? { "Content-Length": `${POST_BYTES}` } : {});
  });
  const underWay = async () => (await stage.balancer.servers()).map(({ requests }) => requests);
  await until("all heads are on their way", async () => {
    return (await underWay()).reduce((sum, requests) => sum + requests, 0) === posts.length;
  });
  await stage.a.kill();
  // A body that comes before the news of the connection's end would be sent to the dead.
  await until("all are with the other server", async () => (await underWay())[1] === posts.length);
  const answers = await Promise.all(posts.map((finish) => finish()));
  assert.deepEqual(new Set(answers), new Set([String(stage.b.port)]));
}

describe("behind a listener with TLS no request fails, whatever befalls a server", () => {
  for (const [name, protocol] of Object.entries(PROTOCOLS)) {
    test(`of ${name}`, { timeout: 120_000 }, async () => {
      await using stage = await Stage.start(protocol);
      await befall(stage);
      await hesitate(stage);
    });
  }
});
