import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import { DnsServer } from "../../../test/kit/dns-server.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { listen } from "../../../test/kit/ports.ts";
import { runProgram } from "../../../test/kit/process.ts";
import type { DiscoverySettings } from "../group-settings.ts";

const clock = new URL("../../base/alarms.ts", import.meta.url);
const discovery = new URL("create-discovery.ts", import.meta.url);

/** Starts a discovery, says what it found, and has nothing else to do. */
function programFor(settings: DiscoverySettings): string {
  return `
    import { idleAlarms as clock } from ${JSON.stringify(clock)};
    import { createDiscovery } from ${JSON.stringify(discovery)};
    const discovery = createDiscovery(${JSON.stringify(settings)}, { clock, random: { next: () => 0 } });
    await discovery.start({ onServers: ([{ address }]) => console.log(address), onError: console.log });
  `;
}

describe("a discovery of any kind", () => {
  test("keeps no process alive between its rounds", async () => {
    await using folder = await createTemporaryDirectory();
    await using dns = await DnsServer.start();
    const web = createServer((_request, response) => void response.end('["127.0.0.1:80"]'));
    const url = `http://127.0.0.1:${await listen(web)}/`;
    const path = await folder.write("servers.yaml", "- 127.0.0.1:80");
    const data = { target: "127.0.0.1", port: 80, priority: 0, weight: 1 };
    dns.setAddresses("web.example", ["127.0.0.1"]);
    dns.set("srv.example", "SRV", [{ name: "srv.example", type: "SRV", ttl: 60, data }]);
    const times = { resolvers: [dns.address], shortest: 600_000, longest: 3_600_000 };
    const all: readonly DiscoverySettings[] = [
      { kind: "file", path },
      { kind: "dns", name: "web.example", port: 80, family: 0, ...times },
      { kind: "srv", name: "srv.example", ...times },
      { kind: "http", url, headers: [], interval: 600_000, timeout: 600_000 },
    ];
    for (const settings of all) {
      const code = programFor(settings);
      const { stdout, stderr } = await runProgram(process.execPath, ["--input-type=module", "-e", code]);
      assert.deepEqual([stdout, stderr], ["127.0.0.1:80\n", ""], settings.kind);
    }
    web.close();
    await once(web, "close");
  });
});
