import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { runInside, startInside } from "./inside.ts";
import { get, startHttp } from "./sluice.ts";

const authority = await createAuthority();
const identity = await authority.issue({ names: ["good.test", "127.0.0.1"] });
const HTTP = ["http", "--bind", "127.0.0.1:0"];

describe("sluice http towards servers with TLS", () => {
  test("by --tls, --sni and --ca, with --host", async () => {
    await using folder = await createTemporaryDirectory();
    const ca = await folder.write("ca.pem", authority.cert);
    await using origin = await startOrigin({ http2: true, tls: identity });
    const flags = ["--tls", "--sni", "good.test", "--ca", ca, "--host", "good.test"];
    await using sluice = await startInside([...HTTP, origin.address, ...flags]);
    const response = await get(sluice.port);
    assert.equal(response.status, 200);
    const [request] = origin.requests;
    assert.equal(request?.httpVersion, "2.0");
    assert.equal(request.headers[":authority"], "good.test");
    assert.equal(request.headers[":scheme"], "https");
  });

  test("by https:// and --insecure", async () => {
    await using origin = await startOrigin({ tls: identity });
    await using sluice = await startInside([...HTTP, `https://${origin.address}`, "--insecure"]);
    assert.equal((await get(sluice.port)).status, 200);
  });

  test("is 502 where a certificate isn't trusted, and the log says what to do", async () => {
    await using origin = await startOrigin({ tls: identity });
    await using sluice = await startHttp([`https://${origin.address}`], "--threads", "0");
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
      const { code, stderr } = await runInside(["http", "-b", "127.0.0.1:0", ...flags]);
      assert.equal(code, 2);
      assert.match(stderr, message);
    });
  }
});

test("upstreams of one server share nothing where their TLS differs", async () => {
  await using folder = await createTemporaryDirectory();
  await folder.write("ca.pem", authority.cert);
  await using http1 = await startOrigin({ tls: identity });
  await using http2 = await startOrigin({ http2: true, tls: identity });
  const upstream = (port: number, tls: string) => `{ servers: "127.0.0.1:${port}", retry: off, tls: ${tls} }`;
  const paths = ["any", "right", "wrong", "untrusted"];
  const settings = [
    "{ verify_cert: false }",
    "{ ca: ca.pem, sni: good.test }",
    "{ ca: ca.pem, sni: bad.test }",
    "true",
  ];
  const origins = [http1, http2];
  const names = origins.flatMap((_, i) => paths.map((path) => `${path}${i + 1}`));
  const file = await folder.write(
    "a.yaml",
    `log_level: error
listeners:
  - bind: 127.0.0.1:0
    routes: [${names.map((name) => `{ match: { path: { prefix: /${name} } }, upstream: ${name} }`).join(", ")}]
upstreams:
${names.map((name, i) => `  ${name}: ${upstream(origins[i < 4 ? 0 : 1]!.port, settings[i % 4]!)}`).join("\n")}
`,
  );
  await using sluice = await startInside(["run", file]);
  for (let round = 0; round < 2; round++) {
    for (const [i, name] of names.entries())
      assert.equal((await get(sluice.port, `/${name}`)).status, i % 4 < 2 ? 404 : 502, name);
  }
  assert.deepEqual([http1.requests.length, http2.requests.length], [4, 4]);
});
