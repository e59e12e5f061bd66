import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ResponseHead } from "../../src/http/heads.ts";
import type { CachePhaseName, ProxyPhases } from "../../src/proxy/phases.ts";
import type { Session } from "../../src/proxy/session.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { createRandom, type Random } from "../kit/random.ts";
import type { RawRequest, RawResponse } from "../kit/raw-message.ts";
import { answering, EARLY_PHASES, ok, request, startProxy } from "./proxy.ts";

interface Context {
  readonly id: number;
  readonly seen: string[];
}

type Phases = Required<
  Omit<ProxyPhases<Context>, "failToConnect" | "errorWhileProxy" | "failToProxy" | CachePhaseName>
>;

/** Phases that take down their calls, each answering at once or later. */
function recording(all: string[][], port: () => number, isAsync: (phase: string) => boolean): Phases {
  const later = <T>(phase: string, value: T): T => (isAsync(phase) ? nextTurn(value) : value) as T;
  const note = ({ context }: Session<Context>, phase: string, more = ""): void =>
    void context.seen.push(phase + more);
  const simple = (phase: string) => (session: Session<Context>) => {
    note(session, phase);
    return later(phase, undefined);
  };
  const body = (phase: string) => (session: Session<Context>, chunk: Buffer | null, isEnd: boolean) => {
    note(session, phase, isEnd ? " end" : ` ${chunk}`);
    return later(phase, undefined);
  };
  return {
    newContext() {
      const context = { id: all.length, seen: ["newContext"] };
      all.push(context.seen);
      return context;
    },
    earlyRequestFilter: simple("earlyRequestFilter"),
    requestFilter: simple("requestFilter"),
    proxyUpstreamFilter: simple("proxyUpstreamFilter"),
    upstreamPeer(session) {
      note(session, "upstreamPeer");
      return later("upstreamPeer", new HttpPeer(`127.0.0.1:${port()}`));
    },
    connectedToUpstream: simple("connectedToUpstream"),
    upstreamRequestFilter: simple("upstreamRequestFilter"),
    requestBodyFilter: body("requestBodyFilter"),
    upstreamResponseFilter: simple("upstreamResponseFilter"),
    upstreamResponseBodyFilter: body("upstreamResponseBodyFilter"),
    upstreamResponseTrailerFilter: (session, trailers) =>
      note(session, `upstreamTrailers ${trailers.get("x-t")}`),
    responseFilter: simple("responseFilter"),
    responseBodyFilter: body("responseBodyFilter"),
    responseTrailerFilter: (session, trailers) => note(session, `trailers ${trailers.get("x-t")}`),
    logging: (session, error) => note(session, `logging ${error}`),
    requestSummary: () => "",
    suppressErrorLog: () => false,
  };
}

const POST = `${request("POST /a", "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\nX-T: up\r\n\r\n`;

function toResponse({ body, trailers }: RawRequest): string {
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n`;
  const lines = trailers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 200 OK\r\nX-A: b\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n${lines}\r\n`;
}

const ORDER = [
  ...EARLY_PHASES.slice(0, EARLY_PHASES.indexOf("requestBodyFilter")),
  "requestBodyFilter hello",
  "requestBodyFilter end",
  "upstreamResponseFilter",
  "responseFilter",
  "upstreamResponseBodyFilter hello",
  "responseBodyFilter hello",
  "upstreamResponseBodyFilter end",
  "responseBodyFilter end",
  "upstreamTrailers up",
  "trailers up",
  "logging null",
];

/** Sends requests through recording phases and returns what happened. */
async function run(isAsync: (phase: string) => boolean): Promise<{
  readonly seen: readonly string[][];
  readonly requests: readonly RawRequest[];
  readonly responses: readonly RawResponse[];
}> {
  const seen: string[][] = [];
  const requests: RawRequest[] = [];
  let port = 0;
  await using proxy = await startProxy<Context>({
    origin: answering(toResponse, requests),
    phases: recording(seen, () => port, isAsync),
  });
  port = proxy.origin.port;
  const client = await proxy.connect();
  // The second one on the kept connection, the others behind it at once.
  const responses = [await client.exchange(POST)];
  void client.write(POST + POST + POST);
  for (let i = 0; i < 3; i++) responses.push(await client.readResponse());
  assert.equal(proxy.origin.connections.length, 1);
  return { seen, requests, responses };
}

function plain(message: RawRequest | RawResponse): unknown {
  const { headers, framing, body, trailers } = message;
  return { headers, framing, body: body.toString(), trailers };
}

describe("the phases of a session", () => {
  test("run in their order", async () => {
    const { seen, requests, responses } = await run(() => false);
    assert.deepEqual(seen, [ORDER, ORDER, ORDER, ORDER]);
    assert.deepEqual(plain(responses[0]!), {
      headers: [
        ["X-A", "b"],
        ["Date", "d"],
        ["Transfer-Encoding", "chunked"],
      ],
      framing: "chunked",
      body: "hello",
      trailers: [["X-T", "up"]],
    });
    assert.deepEqual(requests[0]?.trailers, [["X-T", "up"]]);
  });

  test("run in the same order with the same traffic when all of them are asynchronous", async () => {
    const sync = await run(() => false);
    const async = await run(() => true);
    assert.deepEqual(async.seen, sync.seen);
    assert.deepEqual(async.requests.map(plain), sync.requests.map(plain));
    assert.deepEqual(async.responses.map(plain), sync.responses.map(plain));
  });

  test("do so in any mixture", async () => {
    const sync = await run(() => false);
    const random: Random = createRandom(11);
    for (let i = 0; i < 40; i++) {
      const chosen = new Map<string, boolean>();
      const mixed = await run((phase) => chosen.getOrInsertComputed(phase, () => random.below(2) === 0));
      const what = JSON.stringify([...chosen]);
      assert.deepEqual(mixed.seen, sync.seen, what);
      assert.deepEqual(mixed.responses.map(plain), sync.responses.map(plain), what);
      assert.deepEqual(mixed.requests.map(plain), sync.requests.map(plain), what);
    }
  });

  test("leave out those of bodies where there is none", async () => {
    const seen: string[][] = [];
    let port = 0;
    await using proxy = await startProxy<Context>({
      origin: answering(ok("")),
      phases: recording(
        seen,
        () => port,
        () => false,
      ),
    });
    port = proxy.origin.port;
    const client = await proxy.connect();
    await client.exchange(request("HEAD /"), { method: "HEAD" });
    const expected = ORDER.filter((phase) => !/Body|railer/.test(phase));
    assert.deepEqual(seen, [expected]);
    await client.exchange(request("GET /"));
    const end = ["upstreamResponseBodyFilter end", "responseBodyFilter end", "logging null"];
    assert.deepEqual(seen[1], [...expected.slice(0, -1), ...end]);
  });

  test("are methods of their object", async () => {
    class Program implements ProxyPhases {
      port = 0;
      readonly mark = "mine";
      upstreamPeer(): HttpPeer {
        return new HttpPeer(`127.0.0.1:${this.port}`);
      }
      responseFilter(_: Session, response: ResponseHead): void {
        response.headers.set("X-Mark", this.mark);
      }
    }
    const program = new Program();
    await using proxy = await startProxy({ origin: answering(ok()), phases: program });
    program.port = proxy.origin.port;
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).header("x-mark"), "mine");
  });

  test("share a context of their session alone", async () => {
    const contexts: unknown[] = [];
    await using proxy = await startProxy<{ path: string; notes: string[] }>({
      origin: answering(({ target }) => ok(target)),
      phases: {
        newContext: ({ request: { path } }) => ({ path, notes: [] }),
        requestFilter: async ({ context }) => {
          context.notes.push("request");
          await nextTurn();
        },
        responseFilter: ({ context }) => void context.notes.push("response"),
        logging: ({ context }) => void contexts.push(context),
      },
    });
    await Promise.all(
      ["/a", "/b", "/c"].map(async (path) => {
        const client = await proxy.connect();
        await client.exchange(request(`GET ${path}`));
      }),
    );
    await proxy.settled(3);
    const byPath = (contexts as { path: string }[]).toSorted((a, b) => a.path.localeCompare(b.path));
    const notes = ["request", "response"];
    assert.deepEqual(byPath, [
      { path: "/a", notes },
      { path: "/b", notes },
      { path: "/c", notes },
    ]);
  });
});

describe("what a session tells", () => {
  test("is right in every phase, and afterwards", async () => {
    const told: unknown[] = [];
    const kept: Session[] = [];
    await using proxy = await startProxy({
      origin: answering(toResponse),
      phases: {
        requestFilter: ({ client, request: { method, target, host, headers }, responded, tries, peer }) => {
          const { address, listener, scheme } = client;
          told.push([address, listener === `127.0.0.1:${proxy.port}`, scheme]);
          told.push([method, target, host, headers.get("transfer-encoding"), responded, tries, peer]);
        },
        connectedToUpstream: ({ peer, tries, upstreamReused }) => {
          told.push([String(peer) === `127.0.0.1:${proxy.origin.port}`, tries, upstreamReused]);
        },
        responseFilter: ({ responded, response }) => void told.push([responded, response?.status]),
        responseBodyFilter: ({ response }, chunk) => {
          // Long after the head was sent on.
          if (chunk !== null) told.push([response?.headers.get("x-a"), response?.reason]);
          return nextTurn(undefined);
        },
        logging: (session) => {
          kept.push(session);
          const { start, connected, firstByte, end } = session.timings;
          told.push([session.bytesReceived, session.bytesSent, session.error]);
          told.push([start > 0, connected >= start, firstByte >= connected, end >= firstByte]);
        },
      },
    });
    const client = await proxy.connect();
    void client.write(POST + request("GET /next"));
    await client.readResponse();
    await client.readResponse();
    await proxy.settled(1);
    assert.deepEqual(told.slice(0, 7), [
      ["127.0.0.1", true, "http"],
      ["POST", "/a", "a.example", "chunked", false, 0, null],
      [true, 1, false],
      [true, 200],
      ["b", "OK"],
      [5, 5, null],
      [true, true, true, true],
    ]);
    assert.deepEqual(told[9], [true, 1, true]);
    const [first] = kept;
    assert.deepEqual([first?.bytesReceived, first?.bytesSent, first?.request.target], [5, 5, "/a"]);
    assert.equal(first?.response?.headers.get("x-a"), "b");
  });

  test("can be changed on the way up, for the server or for all", async () => {
    const requests: RawRequest[] = [];
    const logged: string[] = [];
    await using proxy = await startProxy({
      origin: answering(ok(), requests),
      phases: {
        requestFilter: async ({ request: own }) => {
          await nextTurn();
          own.path = "/b";
          own.headers.set("X-All", "1");
          own.headers.delete("x-gone");
        },
        upstreamRequestFilter: (_, upstream) => {
          upstream.method = "PUT";
          upstream.query = "c=d";
          upstream.headers.set("Host", "b.example");
          upstream.headers.append("X-Server", "2");
        },
        logging: ({ request: { method, target, headers } }) => {
          logged.push(`${method} ${target} ${headers.get("host")} ${headers.get("x-server")}`);
        },
      },
    });
    const client = await proxy.connect();
    await client.exchange(request("GET /a?x", "X-Gone: 1", "X-Stays: 1"));
    const [seen] = requests;
    assert.deepEqual([seen?.method, seen?.target], ["PUT", "/b?c=d"]);
    assert.deepEqual(seen?.headers, [
      ["Host", "b.example"],
      ["X-Stays", "1"],
      ["X-All", "1"],
      ["X-Server", "2"],
    ]);
    await proxy.settled(1);
    assert.deepEqual(logged, ["GET /b?x a.example null"]);
  });

  test("can be changed on the way down", async () => {
    await using proxy = await startProxy({
      origin: answering(ok("body", "X-Gone: 1", "Set-Cookie: a", "Set-Cookie: b", "Date: d")),
      phases: {
        upstreamResponseFilter: (_, response) => {
          response.status = 201;
          response.headers.delete("X-Gone");
        },
        responseFilter: async (_, response) => {
          await nextTurn();
          response.reason = "Fine\r\n";
          response.headers.append("Set-Cookie", "c");
        },
      },
    });
    const client = await proxy.connect();
    const response = await client.exchange(request("GET /"));
    assert.deepEqual([response.status, response.reason, response.body.toString()], [201, "Fine", "body"]);
    assert.deepEqual(response.headers, [
      ["Set-Cookie", "a"],
      ["Set-Cookie", "b"],
      ["Date", "d"],
      ["Content-Length", "4"],
      ["Set-Cookie", "c"],
    ]);
  });
});
