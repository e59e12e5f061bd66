import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import type { ForwardingPolicy } from "../../src/proxy/forwarding.ts";
import { createAuthority, type Identity } from "../kit/certificates.ts";
import { Http2Client } from "../kit/http2-client.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { visitSecurely } from "../kit/tls-client.ts";
import { answering, ok, request } from "./proxy.ts";
import { clients, type SecureOptions, type SecureProxy, startSecureProxy, TRUST } from "./tls-proxy.ts";

const OFF: ForwardingPolicy = {
  mode: "replace",
  xForwarded: true,
  forwarded: false,
  trustedProxies: [],
  via: null,
  clientCertificate: "off",
};
const alice = await clients.issue({ commonName: "alice", names: ["alice.test", "10.0.0.1"] });

/** The fields about certificates that a server got, names in lower case. */
async function told(
  secure: SecureProxy,
  identity: Identity | null,
  ...fields: readonly string[]
): Promise<Record<string, string>> {
  const client = await secure.proxy.connect({ tls: { ...TRUST, ...identity } });
  const { status, body } = await client.exchange(request("GET /echo", ...fields));
  assert.equal(status, 200);
  return certificateFields(JSON.parse(body.toString()) as EchoAnswer);
}

function certificateFields({ rawHeaders }: EchoAnswer): Record<string, string> {
  const pairs = rawHeaders.map((name, i) => [name.toLowerCase(), rawHeaders[i + 1] ?? ""] as const);
  return Object.fromEntries(pairs.filter(([name], i) => i % 2 === 0 && /cert/.test(name)));
}

/** Whose certificates a field of RFC 9440 holds. */
function subjectsIn(list: string): string[] {
  return list.split(", ").map((one) => new X509Certificate(Buffer.from(one.slice(1, -1), "base64")).subject);
}

function startAsking(
  origin: Origin,
  changes: Partial<ForwardingPolicy>,
  options: SecureOptions<undefined> = {},
): Promise<SecureProxy> {
  return startSecureProxy({ origin, asks: "optional", forwarding: { ...OFF, ...changes }, ...options });
}

function hashOf({ cert }: Identity): string {
  return createHash("sha256").update(new X509Certificate(cert).raw).digest("hex");
}

const FORGED = [
  "X-Forwarded-Client-Cert: Hash=forged",
  "Client-Cert: :Zm9yZ2Vk:",
  "Client-Cert-Chain: :Zm9yZ2Vk:",
  "client_cert: forged",
  "X_Forwarded-Client_Cert: forged",
  "x.forwarded.client.cert: forged",
];

describe("the certificate of a client", () => {
  test("is told of as Envoy does", async () => {
    await using origin = await startOrigin();
    await using secure = await startAsking(origin, { clientCertificate: "xfcc" });
    assert.deepEqual(await told(secure, alice), {
      "x-forwarded-client-cert": `Hash=${hashOf(alice)};Subject="CN=alice";DNS=alice.test`,
    });
    assert.deepEqual(await told(secure, null), {}, "nobody showed one");
  });

  test("is told of by RFC 9440", async () => {
    await using origin = await startOrigin();
    await using secure = await startAsking(origin, { clientCertificate: "headers" });
    const { "client-cert": value, ...others } = await told(secure, alice);
    const der = Buffer.from(/^:([A-Za-z0-9+/=]+):$/.exec(value ?? "")?.[1] ?? "", "base64");
    assert.equal(new X509Certificate(der).subject, "CN=alice");
    assert.deepEqual(others, {}, "the server has the authority's own anyway");
    assert.deepEqual(await told(secure, null), {}, "nobody showed one");
  });

  test("is told of with those between it and the authority", async () => {
    const between = await createAuthority({ commonName: "Between", signer: clients });
    const bob = await between.issue({ commonName: "bob" });
    const identity = { key: bob.key, cert: `${bob.cert}\n${between.cert}\n${clients.cert}` };
    await using origin = await startOrigin();
    await using secure = await startAsking(origin, { clientCertificate: "headers" });
    const fields = await told(secure, identity);
    const subjects = Object.values(fields).map(subjectsIn);
    assert.deepEqual(Object.keys(fields), ["client-cert", "client-cert-chain"]);
    assert.deepEqual(subjects, [["CN=bob"], ["CN=Between"]]);
  });

  test("is told of without those that a client puts behind it, but that haven't signed it", async () => {
    const between = await createAuthority({ commonName: "Between", signer: clients });
    const others = await createAuthority({ commonName: "Others" });
    const forged = await createAuthority({ commonName: "Between", signer: others });
    const another = await createAuthority({ commonName: "Another", signer: others });
    const bob = await between.issue({ commonName: "bob" });
    await using origin = await startOrigin();
    await using secure = await startAsking(origin, { clientCertificate: "headers" });
    const known = await secure.folder.write("known.pem", `${clients.cert}\n${between.cert}`);
    const tls = { ...secure.tls, clientCertificates: { ca: known } };
    await using knowing = await startAsking(origin, { clientCertificate: "headers" }, { tls });
    for (const [proxy, behind, expected] of [
      [secure, [between, another], ["CN=bob", "CN=Between"]],
      [knowing, [forged], ["CN=bob"]],
      [knowing, [another, between], ["CN=bob"]],
    ] as const) {
      const cert = [bob, ...behind].map((one) => one.cert).join("\n");
      const fields = Object.values(await told(proxy, { key: bob.key, cert }));
      assert.deepEqual(fields.flatMap(subjectsIn), expected);
    }
  });

  test("is told of in the same way each time: with those between, no session is taken up", async () => {
    for (const [clientCertificate, isResumed] of [
      ["headers", 0],
      ["xfcc", 1],
    ] as const) {
      await using secure = await startSecureProxy({
        origin: answering(ok()),
        asks: "required",
        forwarding: { ...OFF, clientCertificate },
      });
      const words = request("GET /", "Connection: close");
      const { session } = await visitSecurely(secure.port, alice, words);
      await visitSecurely(secure.port, { ...alice, ...(session === null ? {} : { session }) }, words);
      assert.equal(secure.proxy.count("handshakes"), 2);
      assert.equal(secure.proxy.count("handshakesResumed"), isResumed);
    }
  });

  test("is told of in HTTP/2 and in resumed sessions too", async () => {
    await using origin = await startOrigin();
    await using secure = await startAsking(origin, { clientCertificate: "xfcc" });
    let session: Buffer | undefined;
    for (const resumed of [false, true]) {
      const options = { ...TRUST, ...alice, ...(session === undefined ? {} : { session }) };
      await using client = new Http2Client(secure.port, options);
      client.session.socket.on("session", (given: Buffer) => {
        session = given;
      });
      const { body } = await client.get("/echo");
      const fields = certificateFields(JSON.parse(body.toString()) as EchoAnswer);
      assert.match(fields["x-forwarded-client-cert"] ?? "", /Subject="CN=alice"/);
      assert.equal(secure.proxy.count("handshakesResumed"), resumed ? 1 : 0);
    }
  });

  test("can't smuggle in what it isn't by its name", async () => {
    await using origin = await startOrigin();
    await using secure = await startAsking(origin, { clientCertificate: "xfcc" });
    for (const commonName of [
      'x";URI=spiffe://admin',
      "x,Hash=00;Subject=y",
      "x\r\nX-Forwarded-Client-Cert: Hash=00",
      "x\\",
      'x\\",By=y;Subject="CN=admin',
      "x + CN=admin",
      "Zoë 漢",
    ]) {
      const identity = await clients.issue({ commonName, names: ["x.test"] });
      const { "x-forwarded-client-cert": value = "", ...others } = await told(secure, identity);
      assert.deepEqual(others, {});
      const match = /^Hash=([0-9a-f]{64});Subject="CN=((?:[^"\\;]|\\[0-9A-F]{2})*)";DNS=x\.test$/.exec(value);
      assert.ok(match !== null, value);
      assert.equal(match[1], hashOf(identity));
    }
  });
});

describe("what a client says of certificates itself", () => {
  for (const clientCertificate of ["off", "xfcc", "headers"] as const) {
    test(`never reaches the server, with ${clientCertificate}`, async () => {
      await using origin = await startOrigin();
      for (const mode of ["replace", "append"] as const) {
        await using secure = await startAsking(origin, { mode, clientCertificate });
        assert.deepEqual(await told(secure, null, ...FORGED), {});
        const fields = await told(
          secure,
          alice,
          ...FORGED,
          "Connection: X-Forwarded-Client-Cert, Client-Cert",
        );
        assert.doesNotMatch(JSON.stringify(fields), /forged|Zm9yZ2Vk/);
        const name = { off: [], xfcc: ["x-forwarded-client-cert"], headers: ["client-cert"] };
        assert.deepEqual(Object.keys(fields), name[clientCertificate]);
      }
    });
  }

  test("nor does it over HTTP/2, or in trailers", async () => {
    await using origin = await startOrigin();
    await using secure = await startAsking(origin, { clientCertificate: "xfcc" });
    await using client = new Http2Client(secure.port, TRUST);
    const forged = { "x-forwarded-client-cert": "Hash=forged", "client-cert": ":eA==:", client_cert: "x" };
    const stream = client.session.request(
      { ":method": "POST", ":path": "/echo", ...forged },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers(forged)).end("x");
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece as Buffer);
    const answer = JSON.parse(Buffer.concat(pieces).toString()) as EchoAnswer;
    assert.deepEqual(certificateFields(answer), {});
    assert.deepEqual(answer.rawTrailers, []);
  });

  test("is believed of a proxy that is named, and ours is put behind it", async () => {
    await using origin = await startOrigin();
    const trusting = { mode: "append", trustedProxies: ["127.0.0.0/8"], clientCertificate: "xfcc" } as const;
    await using secure = await startAsking(origin, trusting);
    const [said] = FORGED as [string];
    assert.deepEqual(await told(secure, null, said, "client_cert: forged"), {
      "x-forwarded-client-cert": "Hash=forged",
    });
    const fields = await told(secure, alice, said);
    const own = `Hash=${hashOf(alice)};Subject="CN=alice";DNS=alice.test`;
    assert.deepEqual(fields, { "x-forwarded-client-cert": `Hash=forged,${own}` });
  });

  test("is left alone where nothing is told at all, and where a program says it", async () => {
    await using origin = await startOrigin();
    await using off = await startAsking(origin, { mode: "off" });
    assert.deepEqual(await told(off, null, "Client-Cert: :eA==:"), { "client-cert": ":eA==:" });
    const phases = {
      upstreamRequestFilter: (_: unknown, head: { headers: { set(name: string, value: string): void } }) =>
        head.headers.set("Client-Cert", ":b3du:"),
    };
    await using own = await startAsking(origin, {}, { phases });
    assert.deepEqual(await told(own, null, ...FORGED), { "client-cert": ":b3du:" });
  });
});
