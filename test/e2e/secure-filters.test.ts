import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { BodyFilter } from "../../src/proxy/phases.ts";
import { until } from "../kit/deadline.ts";
import { type Http2Answer, Http2Client, readAnswer } from "../kit/http2-client.ts";
import type { EchoAnswer, UploadAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { request } from "./proxy.ts";
import { authority, SERVER_TLS, SecureStage } from "./secure-stage.ts";
import { startSecureProxy, TRUST } from "./tls-proxy.ts";

/*
 * What a configuration and programs do to requests and responses, with clients of HTTP/2 over TLS and servers that speak
 * HTTP/1, h2c and HTTP/2 over TLS.
 */

const KINDS = {
  old: { kind: {}, upstream: {} },
  h2c: { kind: { http2: true }, upstream: { protocol: "h2c" } },
  h2: { kind: { http2: true, tls: SERVER_TLS }, upstream: { tls: { ca: "CA", sni: "localhost" } } },
};

type Kind = keyof typeof KINDS;

/** The routes of a server, below `/{kind}`. */
function routesOf(kind: Kind): object[] {
  const below = (path: string): object => ({ match: `/${kind}/${path}`, upstream: kind });
  return [
    {
      ...below("rewritten/*"),
      rewrite: {
        path: { strip_prefix: `/${kind}/rewritten` },
        query: { set: { b: "2" } },
        host: "inside.example",
      },
      request_headers: { set: { "x-set": "one" }, remove: "x-gone" },
      response_headers: { add: { "x-added": "two" }, remove: "x-origin" },
    },
    { match: `/${kind}/sticky`, upstream: `${kind}-sticky`, rewrite: { path: "/" } },
    { ...below("mirrored"), mirror: "shadow", rewrite: { path: "/upload" } },
    {
      match: `/${kind}/split`,
      split: [
        { upstream: "shadow", match: { header: { "x-canary": true } } },
        { upstream: kind, weight: 1 },
      ],
      rewrite: { path: "/" },
    },
    { ...below("*"), rewrite: { path: { strip_prefix: `/${kind}` } } },
  ];
}

describe("a configuration", () => {
  const origins: Origin[] = [];
  let shadow: Origin;
  let stage: SecureStage;
  let client: Http2Client;

  before(async () => {
    const upstreams: Record<string, object> = {};
    for (const [name, { kind, upstream }] of Object.entries(KINDS)) {
      const pair = [await startOrigin({ name, ...kind }), await startOrigin({ name: `${name}2`, ...kind })];
      origins.push(...pair);
      const servers = pair.map(({ address }) => address);
      upstreams[name] = { servers: servers.slice(0, 1), ...upstream };
      upstreams[`${name}-sticky`] = {
        servers,
        sticky: { cookie: "home", secret: "0123456789abcdef" },
        ...upstream,
      };
    }
    shadow = await startOrigin({ name: "shadow", http2: true, tls: SERVER_TLS });
    origins.push(shadow);
    upstreams["shadow"] = { servers: [shadow.address], ...KINDS.h2.upstream };
    const routes = [
      { match: "/moved", redirect: { target: "/there", status: 308 } },
      { match: "/answer", respond: { status: 203, headers: { "x-own": "yes" }, body: "here" } },
      ...Object.keys(KINDS).flatMap((kind) => routesOf(kind as Kind)),
    ];
    const forwarded = { mode: "append", x_forwarded: true, forwarded: true };
    stage = await SecureStage.start({ listener: { routes, forwarded }, document: { upstreams } });
    client = stage.http2();
  });

  after(async () => {
    await stage[Symbol.asyncDispose]();
    for (const origin of origins) await origin[Symbol.asyncDispose]();
  });

  test("answers by itself in HTTP/2 as in HTTP/1.1", async () => {
    const moved = await client.get("/moved");
    assert.deepEqual([moved.status, moved.headers.location], [308, "/there"]);
    const own = await client.get("/answer");
    assert.deepEqual([own.status, own.headers["x-own"], own.body.toString()], [203, "yes", "here"]);
    const old = await stage.http1();
    assert.equal((await old.exchange(request("GET /moved"))).header("location"), "/there");
    assert.equal((await old.exchange(request("GET /answer"))).body.toString(), "here");
    assert.equal((await client.get("/nowhere")).status, 404);
  });

  for (const kind of Object.keys(KINDS)) {
    describe(`before a server of ${kind}`, () => {
      test("rewrites, changes fields and tells who asks, by https", async () => {
        const { headers, body } = await client.send(
          {
            ":path": `/${kind}/rewritten/echo?a=1`,
            ":method": "POST",
            "x-gone": "1",
            cookie: ["a=1", "b=2"],
          },
          "some body",
        );
        const echo = JSON.parse(body.toString()) as EchoAnswer;
        assert.deepEqual([echo.method, echo.url, echo.body], ["POST", "/echo?a=1&b=2", "some body"]);
        assert.equal(fieldOf(echo, "x-set"), "one");
        assert.equal(fieldOf(echo, "x-gone"), undefined);
        assert.equal(fieldOf(echo, echo.httpVersion === "2.0" ? ":authority" : "host"), "inside.example");
        assert.equal(fieldOf(echo, "x-forwarded-proto"), "https");
        assert.equal(fieldOf(echo, "x-forwarded-host"), `localhost:${stage.port}`);
        assert.match(fieldOf(echo, "forwarded") ?? "", /proto=https/);
        assert.deepEqual([headers["x-added"], headers["x-origin"]], ["two", undefined]);
      });

      test("passes trailers on, either way", async () => {
        const answer = await client.get(`/${kind}/trailers`, { te: "trailers" });
        assert.equal(answer.body.toString(), "body\n");
        assert.deepEqual([answer.trailers?.["x-first"], answer.trailers?.["x-second"]], ["1", "2"]);
        const stream = client.session.request(
          { ":method": "POST", ":path": `/${kind}/echo` },
          { waitForTrailers: true },
        );
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-trailer": "end" }));
        stream.end("body");
        const echo = JSON.parse((await readAnswer(stream)).body.toString()) as EchoAnswer;
        assert.deepEqual(echo.rawTrailers.slice(0, 2), ["x-trailer", "end"]);
      });

      test("splits by a field, and keeps clients with their servers", async () => {
        assert.equal(originOf(await client.get(`/${kind}/split`)), kind);
        assert.equal(originOf(await client.get(`/${kind}/split`, { "x-canary": "1" })), "shadow");
        const first = await client.get(`/${kind}/sticky`);
        const cookie = String(first.headers["set-cookie"]?.[0]).split(";")[0]!;
        for (let i = 0; i < 6; i++) {
          const next = await client.get(`/${kind}/sticky`, { cookie });
          assert.equal(originOf(next), originOf(first));
        }
      });

      test("sends a copy with its body", async () => {
        const { length } = shadow.requests;
        const body = patternBytes(300_000);
        const answer = await client.send({ ":method": "POST", ":path": `/${kind}/mirrored` }, body);
        assert.deepEqual(uploadIn(answer), { bytes: body.length, pattern: true });
        await until("the copy came", () => shadow.requests.length > length);
        const copy = shadow.requests[length]!;
        assert.deepEqual([copy.method, copy.url, await copy.finished], ["POST", "/upload", true]);
      });
    });
  }
});

describe("filters of programs", () => {
  /** Changes every byte, piece by piece, so that twice is as good as never. */
  const invert: BodyFilter<undefined> = (_, chunk) => {
    if (chunk === null) return chunk;
    for (let i = 0; i < chunk.length; i++) chunk[i] = ~chunk[i]!;
    return chunk;
  };

  for (const [name, kind, peer] of [
    ["HTTP/1", {}, {}],
    ["h2c", { http2: true }, { protocol: "h2c" }],
    [
      "HTTP/2 over TLS",
      { http2: true, tls: SERVER_TLS },
      { protocol: "h2", tls: { ca: authority.cert, sni: "localhost" } },
    ],
  ] as const) {
    test(`change bodies either way before a server of ${name}`, async () => {
      await using origin = await startOrigin(kind);
      const phases = { requestBodyFilter: invert, responseBodyFilter: invert };
      await using secure = await startSecureProxy({ origin, peer, phases });
      await using client = new Http2Client(secure.port, TRUST);
      const sent = patternBytes(200_000);
      const one = client.send({ ":method": "POST", ":path": "/upload" }, inverted(sent));
      const other = client.get("/bytes/200000");
      const upload = await one;
      assert.deepEqual(uploadIn({ ...upload, body: inverted(upload.body) }), {
        bytes: 200_000,
        pattern: true,
      });
      assert.ok(inverted((await other).body).equals(sent));
      const trailers = await client.get("/trailers");
      assert.equal(inverted(trailers.body).toString(), "body\n");
      assert.equal(trailers.trailers?.["x-second"], "2");
    });
  }
});

function inverted(bytes: Buffer): Buffer {
  return Buffer.from(bytes.map((byte) => ~byte));
}

function fieldOf({ rawHeaders }: EchoAnswer, name: string): string | undefined {
  const at = rawHeaders.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name);
  return at === -1 ? undefined : rawHeaders[at + 1];
}

function originOf({ headers }: Http2Answer): string {
  return String(headers["x-origin"]);
}

function uploadIn({ body }: Http2Answer): Pick<UploadAnswer, "bytes" | "pattern"> {
  const { bytes, pattern } = JSON.parse(body.toString()) as UploadAnswer;
  return { bytes, pattern };
}
