import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { createAuthority, type Identity } from "../kit/certificates.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { startListening } from "./sluice.ts";
import { visit } from "./tls-sluice.ts";

test("the example chooses certificates by name and type, and lets known clients in", async () => {
  await using folder = await createTemporaryDirectory();
  const [ec, rsa] = [await createAuthority(), await createAuthority({ keyType: "rsa" })];
  const write = async (name: string, { cert, key }: Identity): Promise<void> => {
    await folder.write(`${name}.pem`, cert);
    await folder.write(`${name}.key`, key);
  };
  await write("www.ec", await ec.issue({ names: ["www.example"] }));
  await write("www.rsa", await rsa.issue({ names: ["www.example"] }));
  await write("shop", await ec.issue({ names: ["www.example"] }));
  await write("api", await ec.issue());
  await write("clients", ec);
  await using origin = await startOrigin();
  const servers = { WEB: origin.address, SHOP: origin.address, API: origin.address };
  const env = { BIND: "127.0.0.1:0", API_BIND: "127.0.0.1:0", CERTS: folder.path, ...servers };
  const args = ["run", "examples/tls.yaml", "--threads", "1"];
  await using sluice = await startListening(args, { env, listeners: 2 });
  const [web, api] = sluice.addresses.map((address) => ({ port: Number(address.split(":").at(-1)) }));
  const printFor = async (servername: string, more: ConnectionOptions = {}): Promise<string> =>
    (await visit(web!, { servername, ...more })).fingerprint;
  const prints = [
    await printFor("www.example"),
    await printFor("www.example", { sigalgs: "rsa_pss_rsae_sha256" }),
    await printFor("a.shop.example"),
  ];
  assert.equal(new Set(prints).size, 3);
  await assert.rejects(printFor("other.example"), /unrecognized name/);
  await assert.rejects(visit(api!));
  assert.match((await visit(api!, await ec.issue())).answer, /^HTTP\/1\.1 200 /);
});
