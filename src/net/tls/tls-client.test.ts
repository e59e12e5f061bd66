import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectNet, createServer } from "node:net";
import { describe, test } from "node:test";
import { Recorder } from "../../../test/kit/accepted-transport.ts";
import { createAuthority, type Identity } from "../../../test/kit/certificates.ts";
import { until } from "../../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { listen } from "../../../test/kit/ports.ts";
import { createServerContext, startTlsServer, type TlsServer } from "../../../test/kit/tls-server.ts";
import { type Address, formatAddress } from "../address.ts";
import { toNodeOptions } from "../connect.ts";
import { overSocket } from "../onread-socket.ts";
import type { Transport } from "../transport.ts";
import type { ServerTlsSettings } from "./server-context.ts";
import { expectIdentity } from "./server-identity.ts";
import { TlsClient, type TlsClientSettings } from "./tls-client.ts";

const authority = await createAuthority();
const ca = [authority.cert];

async function start(
  names: readonly string[],
  settings: Partial<ServerTlsSettings> = {},
): Promise<TlsServer> {
  const identity = await authority.issue({ names });
  return startTlsServer({ choose: createServerContext([identity], settings) });
}

/** A transport to `to`, once it stands; rejects with the reason otherwise. */
async function open(
  to: number | Address,
  client: TlsClient,
  handler: Recorder = new Recorder(),
): Promise<Transport> {
  const { promise, resolve, reject } = Promise.withResolvers<Transport>();
  const address: Address = typeof to === "number" ? { kind: "tcp", host: "127.0.0.1", port: to } : to;
  const raw = connectNet(toNodeOptions(address, {}));
  await once(raw, "connect");
  const host = address.kind === "unix" ? "" : address.host;
  try {
    client.connect(raw, host, formatAddress(address), {
      onSecure: (socket) => resolve(overSocket(socket, handler)),
      onHandshakeFailed: reject,
    });
    return await promise;
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

async function opens(server: TlsServer, settings: TlsClientSettings, host = "127.0.0.1"): Promise<string> {
  const transport = await open({ kind: "tcp", host, port: server.port }, new TlsClient(settings));
  await until("the server is through too", () => server.digests.length > 0);
  transport.destroy();
  return server.digests.at(-1)!.serverName;
}

describe("whom a client trusts", () => {
  test("the name it asks for", async () => {
    await using server = await start(["good.test"]);
    assert.equal(await opens(server, { ca, sni: "good.test" }), "good.test");
    await assert.rejects(opens(server, { ca, sni: "bad.test" }), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
  });

  test("the address's host where nothing else is said", async () => {
    await using server = await start(["localhost"]);
    assert.equal(await opens(server, { ca }, "localhost"), "localhost");
    await assert.rejects(opens(server, { ca }), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    await using byAddress = await start(["127.0.0.1"]);
    assert.equal(await opens(byAddress, { ca }), "", "an address is verified, but not asked for");
  });

  test("an empty name asks for none, and verifies all the same", async () => {
    await using server = await start(["good.test"]);
    await assert.rejects(opens(server, { ca, sni: "" }), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    await assert.rejects(opens(server, { ca, sni: "" }, "localhost"), {
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
    assert.equal(await opens(server, { ca, sni: "", alternativeName: "good.test" }), "");
  });

  test("another name that is given", async () => {
    await using server = await start(["other.test"]);
    assert.equal(await opens(server, { ca, sni: "good.test", alternativeName: "other.test" }), "good.test");
    await assert.rejects(opens(server, { ca, sni: "good.test", alternativeName: "third.test" }));
  });

  test("any name where names aren't verified, but not any signer", async () => {
    await using server = await start(["x.test"]);
    await opens(server, { ca, sni: "good.test", verifyHostname: false });
    await assert.rejects(opens(server, { sni: "x.test", verifyHostname: false }), /certificate/);
    await opens(server, { sni: "good.test", verifyCertificate: false });
  });

  test("not one that has expired", async () => {
    const old = await authority.issue({ names: ["localhost"], days: -1 });
    await using server = await startTlsServer({ choose: createServerContext([old]) });
    await assert.rejects(opens(server, { ca }, "localhost"), { code: "CERT_HAS_EXPIRED" });
  });

  test("on a Unix socket there must be a name", async () => {
    await using folder = await createTemporaryDirectory();
    const path = folder.join("socket");
    await using server = await start(["good.test"]);
    const proxy = createServer((socket) => socket.pipe(connectNet(server.port)).pipe(socket));
    await listen(proxy, { path });
    const address: Address = { kind: "unix", path };
    await assert.rejects(open(address, new TlsClient({ ca })), /no name to verify/);
    (await open(address, new TlsClient({ ca, sni: "good.test" }))).destroy();
    proxy.close();
  });

  test("a name is asked for in ASCII and without a dot at its end", () => {
    const names = ["a.test"];
    assert.deepEqual(expectIdentity({}, "a.test."), { sni: "a.test", names });
    assert.deepEqual(expectIdentity({ sni: "a.test." }, "127.0.0.1"), { sni: "a.test", names });
    assert.equal(expectIdentity({}, "bücher.test").sni, "xn--bcher-kva.test");
    for (const sni of [".", "\u00ad", "１２７.0.0.1"])
      assert.throws(() => expectIdentity({ sni }, "a.test"), RangeError, sni);
  });

  test("the host that is given stands for the address's", () => {
    const host = "a.test";
    assert.deepEqual(expectIdentity({ host }, "127.0.0.1"), { sni: host, names: [host] });
    assert.deepEqual(expectIdentity({ host, sni: "" }, "127.0.0.1"), { sni: "", names: [host] });
    assert.deepEqual(expectIdentity({ host, sni: "b.test" }, ""), { sni: "b.test", names: ["b.test"] });
  });

  test("an address can't be asked for", async () => {
    await using server = await start(["good.test"]);
    await assert.rejects(opens(server, { ca, sni: "127.0.0.1" }), /only names can be asked for/);
  });
});

describe("connections of a client", () => {
  test("bytes both ways, with the protocol that was agreed on", async () => {
    await using server = await start(["localhost"], { alpn: ["h2", "http/1.1"] });
    const handler = new Recorder();
    const client = new TlsClient({ ca, sni: "localhost", alpn: ["h2", "http/1.1"] });
    const transport = await open(server.port, client, handler);
    assert.equal(transport.tls?.alpn, "h2");
    assert.equal(transport.tls.group, "X25519MLKEM768");
    assert.equal(transport.tls.peerCertificate?.subject, "CN=localhost");
    transport.sendText("hello");
    await until("it came back", () => handler.text === "hello");
    transport.end();
    await handler.closed;
    assert.equal(handler.error, null);
  });

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`sessions are taken up again by the same client only, in ${maxVersion}`, async () => {
      await using server = await start(["localhost"]);
      const client = new TlsClient({ ca, sni: "localhost", maxVersion });
      const resumed: boolean[] = [];
      for (const one of [client, client, new TlsClient({ ca, sni: "localhost", maxVersion })]) {
        const handler = new Recorder();
        const transport = await open(server.port, one, handler);
        resumed.push(transport.tls!.resumed);
        transport.sendText("ping");
        await until("it came back", () => handler.text === "ping");
        transport.destroy();
      }
      assert.deepEqual(resumed, [false, true, false]);
    });
  }

  test("show who they are when they are asked", async () => {
    const clients = await createAuthority();
    const own: Identity = await clients.issue({ commonName: "proxy" });
    const rules = { mode: "required", ca: [clients.cert] } as const;
    await using server = await start(["localhost"], { clientCertificates: rules });
    await opens(server, { ca, sni: "localhost", identity: { chain: own.cert, key: own.key } });
    assert.equal(server.digests[0]!.peerCertificate?.subject, "CN=proxy");
    await assert.rejects(
      opens(server, { ca, sni: "localhost", maxVersion: "TLSv1.2" }),
      /alert handshake failure/,
    );
  });

  test("failures are told of", async () => {
    const client = new TlsClient({ ca, sni: "localhost" });
    const plain = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await assert.rejects(open(await listen(plain), client), { code: "ERR_SSL_WRONG_VERSION_NUMBER" });
    plain.close();
    const closing = createServer((socket) => socket.resume().end());
    await assert.rejects(open(await listen(closing), client), /disconnected|closed the connection/);
    closing.close();
  });
});
