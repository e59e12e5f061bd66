import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { startSluice } from "../kit/process.ts";
import { get, startHttp } from "./sluice.ts";

const authority = await createAuthority();
const identity = await authority.issue({ names: ["good.test", "127.0.0.1"] });

describe("sluice http towards servers with TLS", () => {
  test("by --tls, --sni and --ca, with --host", async () => {
    await using folder = await createTemporaryDirectory();
    const ca = await folder.write("ca.pem", authority.cert);
    await using origin = await startOrigin({ http2: true, tls: identity });
    const flags = ["--tls", "--sni", "good.test", "--ca", ca, "--host", "good.test"];
    await using sluice = await startHttp([origin.address], ...flags, "--threads", "1");
    const response = await get(sluice.port);
    assert.equal(response.status, 200);
    const [request] = origin.requests;
    assert.equal(request?.httpVersion, "2.0");
    assert.equal(request.headers[":authority"], "good.test");
    assert.equal(request.headers[":scheme"], "https");
  });

  test("by https:// and --insecure", async () => {
    await using origin = await startOrigin({ tls: identity });
    await using sluice = await startHttp([`https://${origin.address}`], "--insecure", "--threads", "1");
    assert.equal((await get(sluice.port)).status, 200);
  });

  test("is 502 where a certificate isn't trusted, and the log says what to do", async () => {
    await using origin = await startOrigin({ tls: identity });
    await using sluice = await startHttp([`https://${origin.address}`], "--threads", "1");
    assert.equal((await get(sluice.port)).status, 502);
    await sluice.program.line(/UPSTREAM_CERTIFICATE_UNTRUSTED.*as ca/);
    assert.equal(origin.requests.length, 0);
  });

  for (const [what, flags, message] of [
    ["a name without TLS", ["-u", "a:1", "--sni", "b"], /--sni is for --tls, or for servers/],
    ["trusting both all and some", ["-u", "https://a", "--insecure", "--ca", "x"], /exclude each other/],
    ["another scheme", ["-u", "ftp://a"], /reached by http or https/],
    ["a path", ["https://a/path"], /neither path nor user/],
    [
      "a file that isn't there",
      ["https://a", "--ca", "no-such.pem"],
      /--ca: no-such\.pem: there is no such file/,
    ],
    ["HTTP/2 over TLS without TLS", ["a:1", "--protocol", "h2"], /--protocol: h2 is HTTP\/2 over TLS/],
  ] as const) {
    test(`${what} is wrong usage`, async () => {
      await using program = await startSluice(["http", "-b", "127.0.0.1:0", ...flags]);
      assert.equal((await program.exit()).code, 2);
      assert.match(program.stderr, message);
    });
  }
});
