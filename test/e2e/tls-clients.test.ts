import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Http2Client } from "../kit/http2-client.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { startOrigin } from "../kit/origins.ts";
import { request } from "./proxy.ts";
import { startSecureProxy, TRUST } from "./tls-proxy.ts";

const FORWARDING = { mode: "append", xForwarded: true, forwarded: true, via: "sluice" } as const;

function echoed(body: Buffer): EchoAnswer {
  return JSON.parse(body.toString()) as EchoAnswer;
}

function fieldOf({ rawHeaders }: EchoAnswer, name: string): string | undefined {
  const at = rawHeaders.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name);
  return at === -1 ? undefined : rawHeaders[at + 1];
}

describe("clients with TLS", () => {
  test("speak HTTP/1.1, or HTTP/2 by ALPN, on the same port", async () => {
    await using origin = await startOrigin();
    await using secure = await startSecureProxy({ origin, forwarding: FORWARDING });
    const first = await secure.proxy.connect({ tls: { ...TRUST, ALPNProtocols: ["http/1.1"] } });
    const one = echoed((await first.exchange(request("GET /echo"))).body);
    assert.equal(fieldOf(one, "x-forwarded-proto"), "https");
    assert.equal(fieldOf(one, "via"), "1.1 sluice");
    assert.match(fieldOf(one, "forwarded") ?? "", /;proto=https;/);
    await using second = new Http2Client(secure.port, TRUST);
    const two = echoed((await second.get("/echo")).body);
    assert.equal(fieldOf(two, "x-forwarded-proto"), "https");
    assert.equal(fieldOf(two, "via"), "2 sluice");
    assert.equal(second.session.alpnProtocol, "h2");
    assert.equal(secure.proxy.count("handshakes"), 2);
    assert.equal(secure.proxy.count("http2Connections"), 1);
  });
});
