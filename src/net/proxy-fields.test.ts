import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeTlsFields } from "./proxy-fields.ts";
import { encodeProxyHeader, parseProxyHeader } from "./proxy-protocol.ts";

const session = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", alpn: "h2", clientName: null };

test("what is told of a connection that was opened", () => {
  const bytes = encodeTlsFields({ serverName: "a.example", session });
  const alpn = "\x01\x00\x02h2";
  const name = "\x02\x00\x09a.example";
  const inner = "\x01\x00\x00\x00\x00\x21\x00\x07TLSv1.3\x23\x00\x16TLS_AES_128_GCM_SHA256";
  const length = String.fromCharCode(inner.length);
  assert.equal(bytes.toString("latin1"), `${alpn}${name}\x20\x00${length}${inner}`);
});

test("what is told of a client's certificate", () => {
  const inner = (clientName: string): string =>
    encodeTlsFields({ serverName: "", session: { ...session, alpn: "", clientName } }).toString("latin1");
  assert.equal(inner("alice").slice(3, 8), "\x07\x00\x00\x00\x00");
  assert.ok(inner("alice").endsWith("\x22\x00\x05alice"));
  assert.equal(inner("").slice(3, 8), "\x07\x00\x00\x00\x00");
  for (const untold of ["", "x".repeat(70_000)]) assert.ok(!inner(untold).includes("\x22"));
});

test("of what is passed on unopened there is the name, or nothing", () => {
  const fields = encodeTlsFields({ serverName: "a.example", session: null });
  assert.equal(fields.toString("latin1"), "\x02\x00\x09a.example");
  assert.equal(encodeTlsFields({ serverName: "", session: null }).length, 0);
});

test("fields stand behind the addresses, or where there are none", () => {
  const fields = encodeTlsFields({ serverName: "a.example", session });
  const addresses = {
    source: { address: "192.0.2.1", port: 1 },
    destination: { address: "192.0.2.2", port: 2 },
  };
  for (const told of [addresses, null]) {
    const header = encodeProxyHeader(2, told, "tcp", fields);
    assert.deepEqual(header.subarray(-fields.length), fields);
    assert.deepEqual(parseProxyHeader(header, 0, header.length), {
      ...{ kind: "complete", version: 2, length: header.length, addresses: told },
    });
  }
  assert.deepEqual(encodeProxyHeader(1, addresses, "tcp", fields), encodeProxyHeader(1, addresses));
});
