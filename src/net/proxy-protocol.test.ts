import assert from "node:assert/strict";
import { isIPv4 } from "node:net";
import { describe, test } from "node:test";
import fc from "fast-check";
import { plainAddress } from "./address.ts";
import { crc32c } from "./crc32c.ts";
import {
  encodeProxyHeader,
  LONGEST_PROXY_HEADER,
  type ProxiedAddresses,
  type ProxyHeaderResult,
  parseProxyHeader,
} from "./proxy-protocol.ts";

const V4: ProxiedAddresses = {
  source: { address: "192.0.2.1", port: 56324 },
  destination: { address: "198.51.100.7", port: 443 },
};
const V6: ProxiedAddresses = {
  source: { address: "2001:db8::1", port: 1 },
  destination: { address: "::1", port: 65535 },
};

function parse(bytes: Buffer | string): ProxyHeaderResult {
  const buffer = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
  return parseProxyHeader(buffer, 0, buffer.length);
}

function assertMalformed(bytes: Buffer | string, reason: RegExp): void {
  const result = parse(bytes);
  assert.equal(result.kind, "malformed", `${bytes.toString("latin1")}: ${result.kind}`);
  assert.match(result.kind === "malformed" ? result.reason : "", reason);
}

/** A header of version 2 of exactly these parts. */
function binary(command: number, family: number, ...rest: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(
    rest.map((part) => (typeof part === "string" ? Buffer.from(part, "hex") : part)),
  );
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
  return Buffer.concat([signature, Buffer.of(0x20 | command, family), length, body]);
}

const IPV4_BLOCK = "c0000201c6336407dc0401bb";

describe("PROXY protocol, version 1", () => {
  test("is written as others write it", () => {
    assert.equal(encodeProxyHeader(1, V4).toString(), "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
    assert.equal(encodeProxyHeader(1, V6).toString(), "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n");
    assert.equal(encodeProxyHeader(1, null).toString(), "PROXY UNKNOWN\r\n");
  });

  test("tells mixed families as one", () => {
    const mixed = { source: V4.source, destination: V6.destination };
    assert.equal(encodeProxyHeader(1, mixed).toString(), "PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 65535\r\n");
  });

  test("is read, and the bytes behind it left", () => {
    const text = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
    assert.deepEqual(parse(text), { kind: "complete", length: 45, version: 1, addresses: V4 });
  });

  test("may say that nothing is known", () => {
    const unknown = { kind: "complete", version: 1, addresses: null };
    assert.deepEqual(parse("PROXY UNKNOWN\r\n"), { ...unknown, length: 15 });
    const longest = `PROXY UNKNOWN ${"f".repeat(91)}\r\n`;
    assert.equal(longest.length, 107);
    assert.deepEqual(parse(longest), { ...unknown, length: 107 });
  });

  for (const [line, reason] of [
    ["GET / HTTP/1.1\r\n", /no PROXY header/],
    ["proxy TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", /no PROXY header/],
    [" PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", /no PROXY header/],
    ["PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n", /without CR/],
    ["PROXY TCP4  192.0.2.1 198.51.100.7 56324 443\r\n", /malformed line/],
    ["PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n", /malformed line/],
    ["PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n", /malformed line/],
    ["PROXY TCP4 192.0.2.01 198.51.100.7 56324 443\r\n", /malformed line/],
    ["PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n", /malformed line/],
    ["PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n", /malformed line/],
    ["PROXY TCP4 192.0.2.1 198.51.100.7 +6324 443\r\n", /malformed line/],
    ["PROXY TCP4 ::1 ::1 56324 443\r\n", /malformed line/],
    ["PROXY TCP6 192.0.2.1 198.51.100.7 56324 443\r\n", /malformed line/],
    ["PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n", /malformed line/],
    ["PROXY UDP4 192.0.2.1 198.51.100.7 56324 443\r\n", /malformed line/],
    ["PROXY UNKNOWNS\r\n", /malformed line/],
    [`PROXY UNKNOWN ${"f".repeat(92)}\r\n`, /too long/],
    [`PROXY UNKNOWN ${"f".repeat(200)}`, /too long/],
  ] as const) {
    test(`refuses ${JSON.stringify(line.slice(0, 60))}`, () => assertMalformed(line, reason));
  }
});

describe("PROXY protocol, version 2", () => {
  test("is written as others write it", () => {
    assert.deepEqual(encodeProxyHeader(2, V4), binary(1, 0x11, IPV4_BLOCK));
    assert.deepEqual(encodeProxyHeader(2, V4, "udp"), binary(1, 0x12, IPV4_BLOCK));
    assert.deepEqual(encodeProxyHeader(2, null), binary(1, 0x00));
    const ends = `20010db8${"0".repeat(23)}1${"0".repeat(31)}10001ffff`;
    assert.deepEqual(encodeProxyHeader(2, V6), binary(1, 0x21, ends));
  });

  test("is read, with fields behind the addresses", () => {
    const header = binary(1, 0x11, IPV4_BLOCK, "020003616263", "04000100");
    const read = parse(Buffer.concat([header, Buffer.from("hello")]));
    assert.deepEqual(read, { kind: "complete", length: header.length, version: 2, addresses: V4 });
  });

  test("names nobody for the sender's own connections, Unix sockets and what isn't said", () => {
    for (const header of [
      binary(0, 0x11, IPV4_BLOCK),
      binary(0, 0),
      binary(1, 0),
      binary(1, 0x31, Buffer.alloc(216)),
    ]) {
      assert.deepEqual(parse(header), {
        kind: "complete",
        length: header.length,
        version: 2,
        addresses: null,
      });
    }
  });

  test("gives an IPv4 address as one, mapped or not", () => {
    const header = binary(1, 0x21, `${"0".repeat(20)}ffffc0000201${"0".repeat(31)}1dc0401bb`);
    const read = parse(header);
    assert.ok(read.kind === "complete");
    assert.deepEqual(read.addresses?.source, { address: "192.0.2.1", port: 56324 });
  });

  test("checks the checksum where there is one", () => {
    assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
    const sum = Buffer.alloc(4);
    const blank = binary(1, 0x11, IPV4_BLOCK, "030004", sum);
    sum.writeUInt32BE(crc32c(blank));
    assert.equal(parse(binary(1, 0x11, IPV4_BLOCK, "030004", sum)).kind, "complete");
    sum[0]! ^= 1;
    assertMalformed(binary(1, 0x11, IPV4_BLOCK, "030004", sum), /checksum/);
    assertMalformed(binary(1, 0x11, IPV4_BLOCK, "0300021234"), /checksum/);
  });

  const wrongVersion = binary(1, 0x11, IPV4_BLOCK);
  wrongVersion[12] = 0x11;
  const tooLong = binary(1, 0x11, Buffer.alloc(LONGEST_PROXY_HEADER - 15));
  for (const [name, header, reason] of [
    ["another version", wrongVersion, /version/],
    ["an unknown command", binary(2, 0x11, IPV4_BLOCK), /command/],
    ["an unknown family", binary(1, 0x41, IPV4_BLOCK), /family/],
    ["an unknown transport", binary(1, 0x13, IPV4_BLOCK), /family/],
    ["too little for its addresses", binary(1, 0x21, IPV4_BLOCK), /too short/],
    ["a field that is cut off", binary(1, 0x11, IPV4_BLOCK, "0400"), /cut off/],
    ["a field longer than all", binary(1, 0x11, IPV4_BLOCK, "04000200"), /longer/],
    ["more than anybody needs", tooLong, /too long/],
    ["a broken signature", Buffer.concat([Buffer.from("\r\n\r\n\0\r\nQUIX"), wrongVersion]), /no PROXY/],
  ] as const) {
    test(`refuses ${name}`, () => assertMalformed(header, reason));
  }
});

describe("PROXY protocol, whatever comes", () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => plainAddress(text));
  const endpoint = fc.record({ address, port: fc.nat(65_535) });
  const addresses = fc.option(fc.record({ source: endpoint, destination: endpoint }));
  const version = fc.constantFrom(1 as const, 2 as const);

  /** The same address in one way of writing it. */
  const canonical = (text: string): string =>
    isIPv4(text) ? text : plainAddress(new URL(`http://[${text}]`).hostname.slice(1, -1));
  const mapped = (text: string): string =>
    canonical(text).replace(/^::ffff:([\da-f]+):([\da-f]+)$/, (_all, high, low) => {
      const value = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
      return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
    });

  test("what is written is read back", () => {
    fc.assert(
      fc.property(version, addresses, (which, between) => {
        const header = encodeProxyHeader(which, between);
        const read = parse(Buffer.concat([header, Buffer.from("PROXY ")]));
        assert.ok(read.kind === "complete");
        assert.equal(read.length, header.length);
        assert.equal(read.version, which);
        for (const end of ["source", "destination"] as const) {
          assert.equal(read.addresses?.[end].port, between?.[end].port);
          if (between === null) continue;
          assert.equal(mapped(read.addresses?.[end].address ?? ""), mapped(between[end].address));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("every beginning of a header is incomplete, wherever it lies", () => {
    fc.assert(
      fc.property(version, addresses, fc.nat(), fc.nat(20), (which, between, cut, offset) => {
        const header = encodeProxyHeader(which, between);
        const bytes = Buffer.concat([Buffer.alloc(offset, "P"), header]);
        assert.equal(parseProxyHeader(bytes, offset, offset + (cut % header.length)).kind, "incomplete");
        assert.equal(parseProxyHeader(bytes, offset, bytes.length).kind, "complete");
      }),
    );
  });

  test("damaged headers and noise never throw, and never yield what isn't an address", () => {
    const damaged = fc
      .tuple(version, addresses, fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 3 }))
      .map(([which, between, changes]) => {
        const header = encodeProxyHeader(which, between);
        for (const [at, value] of changes) header[at % header.length] = value;
        return header;
      });
    const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(damaged, noise), (bytes) => {
        const read = parse(bytes);
        if (read.kind !== "complete") return;
        assert.ok(read.length <= bytes.length);
        if (read.addresses === null) return;
        for (const { address: text, port } of [read.addresses.source, read.addresses.destination]) {
          assert.ok(isIPv4(text) || canonical(text) !== "", text);
          assert.ok(Number.isInteger(port) && port >= 0 && port <= 65_535);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
