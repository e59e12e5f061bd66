import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { type Authority, createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { get, startListening } from "./sluice.ts";

const authority = await createAuthority();
const strangers = await createAuthority();

describe("files of TLS with servers", () => {
  for (const threads of [0, 2]) {
    test(`are taken up when they change, with ${threads} threads`, async () => {
      await using folder = await createTemporaryDirectory();
      const replace = async (commonName: string): Promise<void> => {
        const { cert, key } = await authority.issue({ commonName });
        await folder.write("new.pem", `${cert}\n${key}`);
        await rename(folder.join("new.pem"), folder.join("proxy.pem"));
      };
      const trust = async (file: string, signer: Authority): Promise<void> => {
        await folder.write("new.pem", signer.cert);
        await rename(folder.join("new.pem"), folder.join(file));
      };
      await trust("ca.pem", authority);
      await replace("first");
      const rules = { requestCert: true, rejectUnauthorized: true, ca: authority.cert };
      await using origin = await startOrigin({ tls: { ...(await authority.issue()), ...rules } });
      const shown = new Map<string, string>();
      for (const path of ["/request", "/check"]) {
        origin.handle(path, ({ request, response }) => {
          shown.set(path, String((request.socket as TLSSocket).getPeerCertificate().subject.CN));
          response.setHeader("Connection", "close");
          response.end("well");
        });
      }
      const file = await folder.write(
        "sluice.yaml",
        `threads: ${threads}
listeners: [{ bind: "127.0.0.1:0", upstream: app }]
upstreams:
  app:
    servers: 127.0.0.1:${origin.port}
    protocol: http1
    tls: { ca: ca.pem, cert: proxy.pem }
    health_check: { http: /check, interval: 100ms }
`,
      );
      await using sluice = await startListening(["run", file]);
      assert.equal((await get(sluice.port, "/request")).body.toString(), "well");
      await until("a check was made", () => shown.get("/check") === "first");
      assert.equal(shown.get("/request"), "first");
      await replace("second");
      await until("requests show the new one", async () => {
        await get(sluice.port, "/request");
        return shown.get("/request") === "second";
      });
      await until("checks do, too", () => shown.get("/check") === "second");
      await trust("ca.pem", strangers);
      await until("nobody trusts the server any more", async () => {
        return (await get(sluice.port, "/request")).status >= 502;
      });
      await trust("ca.pem", authority);
      await until("it is trusted again", async () => (await get(sluice.port, "/request")).status === 200);
    });
  }
});
