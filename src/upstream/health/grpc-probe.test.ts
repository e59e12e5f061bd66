import assert from "node:assert/strict";
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { buffer } from "node:stream/consumers";
import { describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { startOrigin } from "../../../test/kit/origins.ts";
import type { PeerTlsOptions } from "../peer-tls.ts";
import { GrpcProbe } from "./grpc-probe.ts";
import { examine, serve, testProbe } from "./probe.contract.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const tls = { ca: authority.cert };

const OK: OutgoingHttpHeaders = { ":status": 200, "content-type": "application/grpc" };

interface Answer {
  readonly head?: OutgoingHttpHeaders;
  readonly data?: string;
  /** Null: the stream ends without. */
  readonly trailers?: OutgoingHttpHeaders | null;
}

/** Answers in gRPC's way; SERVING unless it is told otherwise. `data` is hexadecimal. */
const answering =
  ({ head = OK, data = "0000000002" + "0801", trailers = { "grpc-status": "0" } }: Answer = {}) =>
  (stream: ServerHttp2Stream): void => {
    stream.on("error", () => undefined);
    stream.resume();
    stream.respond(head, { waitForTrailers: trailers !== null });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers!));
    stream.end(Buffer.from(data, "hex"));
  };

testProbe("a gRPC health check", {
  create: () => new GrpcProbe({ service: "", tls: null }),
  createServer: () => createServer().on("stream", answering()),
  onlyConnects: false,
});

testProbe("a gRPC health check over TLS", {
  create: () => new GrpcProbe({ service: "", tls: { ...tls, sni: "localhost" } }),
  createServer: () => createSecureServer(identity).on("stream", answering()),
  onlyConnects: false,
});

async function checkOf(onStream: (stream: ServerHttp2Stream) => void): Promise<string | null> {
  const server = createServer().on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => undefined);
    onStream(stream);
  });
  await using served = await serve(server);
  return await examine(new GrpcProbe({ service: "", tls: null }), served.address);
}

describe("the request of a gRPC probe", () => {
  test("is a call of Health/Check with the service's name", async () => {
    const seen = Promise.withResolvers<[IncomingHttpHeaders, Buffer]>();
    const server = createServer().on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      void buffer(stream).then((body) => seen.resolve([headers, body]));
      answering()(stream);
    });
    await using served = await serve(server);
    assert.equal(await examine(new GrpcProbe({ service: "shop.Cart", tls: null }), served.address), null);
    const [headers, body] = await seen.promise;
    assert.ok(served.address.kind === "tcp");
    assert.deepEqual(Object.fromEntries(Object.entries(headers)), {
      ":method": "POST",
      ":scheme": "http",
      ":authority": `127.0.0.1:${served.address.port}`,
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    assert.equal(body.toString("latin1"), "\0\0\0\0\x0b\x0a\x09shop.Cart");
  });
});

describe("the answer that a gRPC probe gets", () => {
  const status = (digits: string): Answer => ({ data: `0000000002${digits}` });

  for (const [what, answer, expected] of [
    ["NOT_SERVING", status("0802"), "NOT_SERVING"],
    ["SERVICE_UNKNOWN", status("0803"), "SERVICE_UNKNOWN"],
    ["a status of the future", status("0809"), "serving status 9"],
    ["no status", { data: "0000000000" }, "UNKNOWN"],
    ["a content type with a suffix", { head: { ...OK, "content-type": "application/grpc+proto" } }, null],
    [
      "another content type",
      { head: { ...OK, "content-type": "text/html" } },
      "no gRPC: content-type text/html",
    ],
    [
      "grpc-web",
      { head: { ...OK, "content-type": "application/grpc-web" } },
      "no gRPC: content-type application/grpc-web",
    ],
    ["no content type", { head: { ":status": 200 } }, "no gRPC: content-type missing"],
    ["another HTTP status", { head: { ...OK, ":status": 503 } }, "status 503"],
    ["no message", { data: "" }, "no answer of a health service: malformed"],
    ["a broken message", { data: "000000000208" }, "no answer of a health service: malformed"],
    ["far too long a message", { data: "00".repeat(100_000) }, "no answer of a health service: too long"],
    ["no trailers", { trailers: null }, "answer without grpc-status"],
    ["trailers without a status", { trailers: { a: "b" } }, "answer without grpc-status"],
    ["a failure after all", { trailers: { "grpc-status": "14" } }, "grpc-status 14 UNAVAILABLE"],
    [
      "a failure with words",
      { trailers: { "grpc-status": "5", "grpc-message": "unknown service" } },
      "grpc-status 5 NOT_FOUND: unknown service",
    ],
    ["an unknown failure", { trailers: { "grpc-status": "99" } }, "grpc-status 99"],
  ] as const satisfies [string, Answer, string | null][]) {
    test(`may be ${what}`, async () => {
      assert.equal(await checkOf(answering(answer)), expected);
    });
  }

  test("may be nothing but a head", async () => {
    const only = (head: OutgoingHttpHeaders) =>
      checkOf((stream) => stream.respond({ ...OK, ...head }, { endStream: true }));
    assert.equal(await only({ "grpc-status": "12" }), "grpc-status 12 UNIMPLEMENTED");
    assert.equal(await only({ "grpc-status": "0" }), "no answer of a health service: malformed");
    assert.equal(await only({}), "answer without grpc-status");
  });

  test("may be that the stream is refused or the connection ended", async () => {
    assert.match((await checkOf((stream) => stream.close(7))) ?? "", /^HTTP\/2: .*NGHTTP2_REFUSED_STREAM$/);
    assert.match(
      (await checkOf((stream) => stream.session!.destroy())) ?? "",
      /^closed by the server$|^HTTP\/2: /,
    );
    assert.match((await checkOf((stream) => stream.session!.goaway(11))) ?? "", /^HTTP\/2: /);
    assert.match(
      (await checkOf((stream) => {
        stream.respond(OK);
        stream.write("\0", () => stream.session!.socket.destroy());
      })) ?? "",
      /^(answer without grpc-status|closed by the server|read ECONNRESET|HTTP\/2: .*)$/,
    );
  });

  test("may be endless", async () => {
    const found = await checkOf((stream) => {
      stream.respond(OK);
      const more = (): void => void stream.write(Buffer.alloc(1000), (error) => error ?? setImmediate(more));
      more();
    });
    assert.equal(found, "no answer of a health service: too long");
  });
});

describe("a gRPC probe", () => {
  test("wants HTTP/2", async () => {
    await using origin = await startOrigin();
    assert.match(
      (await examine(new GrpcProbe({ service: "", tls: null }), origin.address)) ?? "",
      /^HTTP\/2: |^closed/,
    );
    await using withoutAlpn = await serve(createTlsServer(identity));
    assert.equal(
      await examine(new GrpcProbe({ service: "", tls }), withoutAlpn.address),
      "The server does not speak the protocol that it is asked for: HTTP/2 was not agreed on by ALPN",
    );
    await using withHttp1 = await serve(createTlsServer({ ...identity, ALPNProtocols: ["http/1.1"] }));
    assert.match(
      (await examine(new GrpcProbe({ service: "", tls }), withHttp1.address)) ?? "",
      /^TLS: .*no application protocol/,
    );
  });

  test("checks the certificate when it shall", async () => {
    const other = await authority.issue({ names: ["a.test"] });
    await using server = await serve(createSecureServer(other).on("stream", answering()));
    const check = (options: PeerTlsOptions) =>
      examine(new GrpcProbe({ service: "", tls: { ...tls, ...options } }), server.address);
    assert.equal(await check({ sni: "a.test" }), null);
    assert.match((await check({})) ?? "", /^Hostname\/IP does not match/);
    assert.equal(await check({ verifyCertificate: false }), null);
  });
});
