import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { get, startListening } from "./sluice.ts";

test("servers with TLS, by their hosts and by a name", async () => {
  const authority = await createAuthority();
  await using folder = await createTemporaryDirectory();
  const identity = await authority.issue({ names: ["app.internal"] });
  const stranger = await authority.issue({ names: ["other.internal"] });
  await using api = await startOrigin({ name: "api", http2: true, tls: await authority.issue() });
  await using bad = await startOrigin({ name: "bad", tls: stranger });
  await using app = await startOrigin({ name: "app", http2: true, tls: identity });
  const env = {
    ...{ BIND: "127.0.0.1:0", API: `localhost:${api.port}`, APP_1: bad.address, APP_2: app.address },
    NODE_EXTRA_CA_CERTS: await folder.write("ca.pem", authority.cert),
  };
  await using sluice = await startListening(["run", "examples/tls-upstreams.yaml", "--threads", "1"], {
    env,
  });
  for (let i = 0; i < 4; i++) assert.equal((await get(sluice.port)).body.toString(), "app\n");
  assert.equal((await get(sluice.port, "/api")).status, 404);
  assert.equal(api.requests[0]!.headers[":authority"], `localhost:${api.port}`);
  assert.equal(app.requests[0]!.httpVersion, "2.0");
  assert.equal(bad.requests.length, 0);
});
