import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseNameServer, systemNameServers } from "./name-servers.ts";

describe("a name server", () => {
  test("is read with and without a port", () => {
    const good = {
      "127.0.0.1": { host: "127.0.0.1", port: 53 },
      "2001:db8::1": { host: "2001:db8::1", port: 53 },
      "127.0.0.1:5353": { host: "127.0.0.1", port: 5353 },
      "[::1]:5353": { host: "::1", port: 5353 },
      "dns.example:53": { host: "dns.example", port: 53 },
    };
    for (const [text, { host, port }] of Object.entries(good)) {
      const server = parseNameServer(text);
      assert.deepEqual([server.host, server.port], [host, port], text);
    }
  });

  test("of the system can be read, whichever it is", () => {
    for (const { port } of systemNameServers()) assert.ok(port > 0);
  });
});
