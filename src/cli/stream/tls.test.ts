import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Command } from "commander";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { addStreamTls, type StreamTlsFlags, toTlsInit } from "./tls.ts";

function initFor(args: readonly string[], upstreams: readonly string[] = []): ReturnType<typeof toTlsInit> {
  const command = addStreamTls(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  command.parse(args, { from: "user" });
  return toTlsInit(command.opts<StreamTlsFlags>(), upstreams, null);
}

describe("flags about TLS of sluice tcp", () => {
  test("none are none", () => {
    assert.deepEqual(initFor([], ["a:1"]), {});
  });

  test("several servers of a name are one route", () => {
    const sni = ["A.example=10.0.0.1:443", "*.b.example=unix:/run/b", "a.example=10.0.0.2:443"];
    const { tls } = initFor(sni.flatMap((route) => ["--sni", route]));
    assert.deepEqual(tls?.certificates, []);
    assert.deepEqual(tls.passthrough, [
      { names: ["*.b.example"], upstreams: ["unix:/run/b"] },
      { names: ["a.example"], upstreams: ["10.0.0.1:443", "10.0.0.2:443"] },
    ]);
  });

  test("certificates and authorities are files", async () => {
    await using directory = await createTemporaryDirectory();
    const { cert } = await createAuthority();
    const ca = await directory.write("ca.pem", `${cert}\n${cert}`);
    const init = initFor(["--cert", "a.pem", "--key", "a.key", "--tls", "--ca", ca], ["a:1"]);
    assert.deepEqual(init.tls?.certificates, [{ cert: "a.pem", key: "a.key" }]);
    assert.equal(init.upstreamTls?.ca?.length, 2);
    assert.deepEqual(initFor(["--tls"], ["a:1"]), { upstreamTls: {} });
    assert.deepEqual(initFor(["--tls", "--sni", "Db.example", "--insecure"], ["a:1"]), {
      upstreamTls: { sni: "db.example", verifyCertificate: false },
    });
    assert.throws(
      () => initFor(["--tls", "--ca", directory.join("none")], ["a:1"]),
      /--ca: .*none: there is no such file/,
    );
    const empty = await directory.write("empty.pem", "");
    assert.throws(() => initFor(["--tls", "--ca", empty], ["a:1"]), /holds no certificate in PEM/);
  });

  test("what doesn't go together is said", () => {
    for (const [args, upstreams, problem] of [
      [[], [], /no server to relay to/],
      [["--cert", "a.pem"], [], /no server to relay to/],
      [["--ca", "a.pem"], ["a:1"], /--ca is for --tls/],
      [["--tls", "--sni", "a.example=a:1"], ["a:1"], /stay unopened/],
      [["--sni", "a.example"], ["a:1"], /--sni a\.example is for --tls, or an address is missing/],
      [["--sni", "a.example"], [], /no server to relay to/],
      [["--insecure"], ["a:1"], /--insecure is for --tls/],
      [["--tls", "--insecure", "--ca", "a.pem"], ["a:1"], /exclude each other/],
      [["--tls", "--sni", "*.a.example"], ["a:1"], /Expected a host name/],
      [["--sni", "a..b=a:1"], [], /Expected a host name/],
      [["--sni", "a.example=a:nothing"], [], /argument 'a.example=a:nothing' is invalid/],
    ] as const) {
      assert.throws(() => initFor(args, upstreams), problem, args.join(" "));
    }
  });
});
