import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { describe, test } from "node:test";
import { DnsServer } from "./dns-server.ts";

function resolverOf(server: DnsServer): Resolver {
  const resolver = new Resolver({ timeout: 5_000, tries: 1 });
  resolver.setServers([server.address]);
  return resolver;
}

/** Node's own resolver is the judge: what it understands, others do. */
describe("the name server of the tests", () => {
  test("answers by its tables, also over TCP", async () => {
    await using server = await DnsServer.start();
    const resolver = resolverOf(server);
    server.setAddresses("web.example", ["127.0.0.1", "::1"], 30);
    assert.deepEqual(await resolver.resolve4("web.example", { ttl: true }), [
      { address: "127.0.0.1", ttl: 30 },
    ]);
    assert.deepEqual(await resolver.resolve6("web.example"), ["::1"]);
    server.set("_a._tcp.example", "SRV", {
      isTruncated: true,
      answers: [
        {
          name: "_a._tcp.example",
          type: "SRV",
          ttl: 1,
          data: { target: "a.example", port: 1, priority: 2, weight: 3 },
        },
      ],
    });
    const [record] = await resolver.resolveSrv("_a._tcp.example");
    assert.equal(record?.name, "a.example");
    assert.deepEqual(
      server.asked.map(({ over }) => over),
      ["udp", "udp", "udp", "tcp"],
    );
  });

  test("tells names that don't exist from those without such a record, and fails when it is told to", async () => {
    await using server = await DnsServer.start();
    const resolver = resolverOf(server);
    server.setAddresses("web.example", ["127.0.0.1"]);
    await assert.rejects(resolver.resolve4("other.example"), { code: "ENOTFOUND" });
    await assert.rejects(resolver.resolveSrv("web.example"), { code: "ENODATA" });
    server.script = () => ({ code: 2 });
    await assert.rejects(resolver.resolve4("web.example"), { code: "ESERVFAIL" });
  });
});
