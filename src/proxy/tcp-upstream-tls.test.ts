import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../../test/kit/certificates.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { type RawOrigin, type RawScript, startRawOrigin } from "../../test/kit/raw-origin.ts";
import { startTcpProxy } from "../../test/kit/stream-proxy.ts";
import { visitSecurely } from "../../test/kit/tls-client.ts";
import { tlsWith, writeIdentity } from "../../test/kit/tls-proxy.ts";
import { createServerContext, startTlsServer } from "../../test/kit/tls-server.ts";
import { Counter } from "../base/counters.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const stranger = await (await createAuthority({ commonName: "A stranger" })).issue();
const trusting = { ca: authority.cert };

function startSecure(script: RawScript, tls = identity): Promise<RawOrigin> {
  return startRawOrigin(script, { tls });
}

const echo: RawScript = ({ socket }) => void socket.pipe(socket);

describe("a TCP proxy that speaks TLS with its servers", () => {
  test("relays plaintext of clients, and ends each direction by itself", async () => {
    await using asked = await startSecure([{ read: "end" }, { send: "answer" }, { close: "half" }]);
    await using proxy = await startTcpProxy([asked.port], { upstreamTls: trusting });
    await using client = await connectRaw(proxy.port);
    client.end("question");
    assert.equal((await client.readToEnd()).toString(), "answer");
    assert.equal(await asked.outcome(0), undefined);
    await using greeting = await startSecure([{ send: "hello" }, { close: "half" }, { read: "end" }]);
    proxy.service.setUpstreams([greeting.address]);
    await using other = await connectRaw(proxy.port);
    assert.equal((await other.readToEnd()).toString(), "hello");
    other.end("bye");
    assert.equal(await greeting.outcome(0), undefined);
    assert.match(await proxy.log.next("closed", 1), /^3 B up, 5 B down/);
  });

  test("doesn't speak with whom it doesn't know, and tries the next", async () => {
    await using unknown = await startSecure(echo, stranger);
    await using plain = await startRawOrigin([{ send: "no TLS here" }]);
    await using good = await startSecure(echo);
    const addresses = [unknown.address, plain.address, good.address];
    await using proxy = await startTcpProxy(addresses, { upstreamTls: trusting });
    await using client = await connectRaw(proxy.port);
    await client.write("hi");
    assert.equal((await client.readExactly(2)).toString(), "hi");
    const [untrusted, noTls] = proxy.log.of("connect-failed");
    assert.match(untrusted!, new RegExp(`^${unknown.address}: .*to trust it, give whoever signed it as ca$`));
    assert.match(noTls!, new RegExp(`^${plain.address}: .*what the server said is no TLS`));
    assert.equal(proxy.counters.get(Counter.upstreamConnectFailures), 2);
  });

  test("gives a server that never shakes hands so much time", async () => {
    await using mute = await startRawOrigin(() => undefined);
    await using proxy = await startTcpProxy([mute.port], { upstreamTls: trusting, connectTimeout: 300 });
    await using client = await connectRaw(proxy.port);
    assert.equal((await client.readToEnd()).length, 0);
    assert.deepEqual(proxy.log.of("connect-failed"), [`${mute.address} did not answer within 300 ms`]);
  });

  test("tells by the PROXY protocol before TLS", async () => {
    const options = { choose: createServerContext([identity]), expectsProxyHeader: true };
    await using server = await startTlsServer(options);
    const settings = { upstreamTls: trusting, sendProxyProtocol: 1 } as const;
    await using proxy = await startTcpProxy([server.port], settings);
    await using client = await connectRaw(proxy.port, { localAddress: "127.0.0.9" });
    await client.write("hi");
    assert.equal((await client.readExactly(2)).toString(), "hi");
    assert.deepEqual(server.sources, ["127.0.0.9"]);
  });

  test("passes resets on, either way", async () => {
    await using origin = await startSecure(echo);
    await using proxy = await startTcpProxy([origin.port], { upstreamTls: trusting });
    for (const who of ["client", "server"] as const) {
      await using client = await connectRaw(proxy.port);
      await client.write("a");
      await client.readExactly(1);
      const connection = origin.connections.at(-1)!;
      if (who === "client") client.reset();
      else connection.reset();
      assert.equal(await (who === "client" ? connection : client).closed, "reset");
    }
    await proxy.log.next("reset", 1);
  });

  test("opens what clients encrypt, and encrypts it again; what is passed on stays as it is", async () => {
    await using directory = await createTemporaryDirectory();
    const certificate = await writeIdentity(directory, "own", await authority.issue());
    await using origin = await startSecure(echo);
    await using passed = await startSecure(echo, stranger);
    const tls = tlsWith([certificate], { "a.example": passed.address });
    await using proxy = await startTcpProxy([origin.port], { tls, upstreamTls: trusting });
    assert.equal((await visitSecurely(proxy.port)).answer, "ping");
    assert.equal((await visitSecurely(proxy.port, { servername: "a.example" })).answer, "ping");
    assert.deepEqual([origin.connections.length, passed.connections.length], [1, 1]);
  });

  test("agrees with servers on what it has agreed on with clients", async () => {
    await using directory = await createTemporaryDirectory();
    const certificate = await writeIdentity(directory, "own", await authority.issue());
    const choose = createServerContext([identity], { alpn: ["two", "h2"] });
    await using server = await startTlsServer({ choose });
    const tls = tlsWith([certificate], {}, { alpn: ["one", "two", "h2"] });
    await using proxy = await startTcpProxy([server.port], { tls, upstreamTls: trusting });
    for (const [offered, agreed] of [
      [["h2"], "h2"],
      [["two"], "two"],
      [[], ""],
    ] as const) {
      assert.equal((await visitSecurely(proxy.port, { ALPNProtocols: [...offered] })).answer, "ping");
      assert.equal(server.digests.at(-1)?.alpn, agreed);
    }
    await assert.rejects(visitSecurely(proxy.port, { ALPNProtocols: ["one"] }));
    assert.match(await proxy.log.next("connect-failed"), /it chose none of those offered by ALPN/);
  });
});
