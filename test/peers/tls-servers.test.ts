import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { HttpClient } from "../../src/proxy/http-client.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";
import { TcpConnector } from "../../src/upstream/tcp-connector.ts";
import { startProxy } from "../e2e/proxy.ts";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { patternBytes } from "../kit/pattern.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { freePort } from "../kit/ports.ts";
import { type RunningProgram, startProgram } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";

const large = patternBytes(8 * 1024 * 1024, 0, 5);
const authority = await createAuthority();
const identity = await authority.issue({ names: ["good.test"] });
const own = await authority.issue({ commonName: "proxy" });
const tls = { ca: authority.cert, sni: "good.test" };

interface Ports {
  /** HTTP/2 and HTTP/1.1. */
  readonly both: number;
  /** HTTP/1.1 alone, and clients must show who they are. */
  readonly strict: number;
}

async function startNginx(directory: TemporaryDirectory): Promise<Ports & { program: RunningProgram }> {
  const [both, strict] = [await freePort(), await freePort()];
  await directory.write("site/large.bin", large);
  const paths = {
    ca: await directory.write("ca.pem", authority.cert),
    cert: await directory.write("cert.pem", identity.cert),
    key: await directory.write("key.pem", identity.key),
  };
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory.join(name)};`)
    .join(" ");
  const certificate = `ssl_certificate ${paths.cert}; ssl_certificate_key ${paths.key};`;
  const page = `root ${directory.join("site")};
    location = /about { return 200 "$server_protocol $ssl_protocol $ssl_server_name $ssl_session_reused $ssl_client_s_dn"; }`;
  const configuration = `
    ${process.getuid?.() === 0 ? "user root;" : ""}
    daemon off; worker_processes 1; pid ${directory.join("nginx.pid")}; error_log stderr error;
    events { worker_connections 256; }
    http {
      access_log off; ${temporary} ${certificate} ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:a:1m;
      server { listen 127.0.0.1:${both} ssl http2; ${page} }
      server { listen 127.0.0.1:${strict} ssl; ssl_verify_client on; ssl_client_certificate ${paths.ca}; ${page} }
    }`;
  const file = await directory.write("nginx.conf", configuration);
  const program = await startProgram(findProgram("nginx") ?? "", ["-p", directory.path, "-c", file]);
  await until("nginx listens", () =>
    connectRaw(strict).then(
      (client) => client[Symbol.asyncDispose]().then(() => true),
      () => false,
    ),
  );
  return { program, both, strict };
}

describe("nginx with TLS as a server", { skip: skipWithout("nginx") }, () => {
  let directory: TemporaryDirectory;
  let nginx: Awaited<ReturnType<typeof startNginx>>;

  before(async () => {
    directory = await createTemporaryDirectory();
    nginx = await startNginx(directory);
  });
  after(async () => {
    await nginx.program[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  async function about(port: number, options: PeerOptions): Promise<string> {
    using client = new HttpClient();
    const response = await client.request(new HttpPeer(`127.0.0.1:${port}`, options), { target: "/about" });
    return response.status === 200 ? (await response.text()).trim() : String(response.status);
  }

  test("chooses HTTP/2, takes up sessions, and knows who we are", async () => {
    const name = "TLSv1.3 good.test";
    assert.equal(await about(nginx.both, { tls }), `HTTP/2.0 ${name} .`);
    assert.equal(await about(nginx.both, { tls }), `HTTP/2.0 ${name} r`);
    assert.equal(await about(nginx.both, { tls, protocol: "http1" }), `HTTP/1.1 ${name} .`);
    const older = { ...tls, maxVersion: "TLSv1.2" } as const;
    assert.equal(await about(nginx.both, { tls: older }), "HTTP/2.0 TLSv1.2 good.test .");
    assert.equal(await about(nginx.both, { tls: older }), "HTTP/2.0 TLSv1.2 good.test r");
    const known = { ...tls, identity: { chain: own.cert, key: own.key } };
    assert.equal(await about(nginx.strict, { tls: known }), `HTTP/1.1 ${name} . CN=proxy`);
    assert.equal(await about(nginx.strict, { tls }), "400", "nginx tells in a response who has to be known");
  });

  for (const protocol of ["http1", "auto"] as const) {
    test(`sends large files to many at once, spoken with in ${protocol}`, async () => {
      await using proxy = await startProxy({ origin: { port: nginx.both }, peer: { tls, protocol } });
      await using client = new Http2Client(proxy.port);
      const answers = await Promise.all(Array.from({ length: 10 }, () => client.get("/large.bin")));
      for (const { body } of answers) assert.ok(body.equals(large));
      assert.equal(proxy.count("upstreamHandshakes") === 1, protocol === "auto");
    });
  }
});

test("OpenSSL's server can't shake hands anew", { skip: skipWithout("openssl") }, async () => {
  await using directory = await createTemporaryDirectory();
  const file = await directory.write("server.pem", `${identity.cert}\n${identity.key}`);
  const port = await freePort();
  const args = ["s_server", "-accept", `127.0.0.1:${port}`, "-cert", file, "-key", file, "-tls1_2"];
  await using server = await startProgram("openssl", args);
  await server.line(/^ACCEPT/);
  using connector = new TcpConnector();
  const socket = await connector.connect(new HttpPeer(`127.0.0.1:${port}`, { tls }));
  socket.on("error", () => undefined).resume();
  server.write("r\n");
  await server.line(/no renegotiation/);
  socket.destroy();
});
