import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { GrpcProbe } from "./grpc-probe.ts";
import { examine } from "./probe.contract.ts";

const authority = await createAuthority();
const { key, cert } = await authority.issue();
const secure = ServerCredentials.createSsl(null, [
  { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) },
]);
const trust = { serverName: null, verify: true, ca: authority.cert };

for (const [kind, credentials, tls] of [
  ["in clear text", ServerCredentials.createInsecure(), null],
  ["over TLS", secure, trust],
] as const) {
  describe(`the health service that gRPC itself comes with, ${kind}`, () => {
    test("is asked for the server and for single services", async () => {
      const server = new Server();
      const health = new HealthImplementation({ "": "SERVING", "a.Service": "NOT_SERVING" });
      health.addToServer(server);
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
          error === null ? resolve(bound) : reject(error),
        );
      });
      const ask = (service: string): Promise<string | null> =>
        examine(new GrpcProbe({ service, tls }), `127.0.0.1:${port}`);
      try {
        assert.equal(await ask(""), null);
        assert.match((await ask("a.Service")) ?? "", /NOT_SERVING/);
        assert.match((await ask("b.Service")) ?? "", /NOT_FOUND/);
        health.setStatus("", "NOT_SERVING");
        assert.match((await ask("")) ?? "", /NOT_SERVING/);
      } finally {
        server.forceShutdown();
      }
    });
  });
}
