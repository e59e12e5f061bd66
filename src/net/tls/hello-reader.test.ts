import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  captureFirstBytes,
  captureHello,
  fragment,
  type HelloParts,
  makeHello,
  serverNames,
  toRecord,
  vector8,
  vector16,
} from "../../../test/kit/client-hello.ts";
import { findProgram, skipWithout } from "../../../test/kit/peer.ts";
import type { ClientHello, HelloProblem } from "./client-hello.ts";
import { type HelloOutcome, HelloReader } from "./hello-reader.ts";

const openssl = findProgram("openssl");
const curl = findProgram("curl");

/** The outcome of bytes that come in pieces of `size`. */
function read(bytes: Buffer, size = bytes.length): HelloOutcome {
  const reader = new HelloReader();
  let outcome: HelloOutcome = { kind: "incomplete" };
  for (let at = 0; at < bytes.length && outcome.kind === "incomplete"; at += size) {
    outcome = reader.read(Buffer.from(bytes.subarray(at, at + size)));
  }
  return outcome;
}

function helloOf(bytes: Buffer): ClientHello {
  const outcome = read(bytes);
  assert.ok(outcome.kind === "hello", JSON.stringify(outcome));
  return outcome.hello;
}

function problemOf(bytes: Buffer): HelloProblem | string {
  const outcome = read(bytes);
  return outcome.kind === "refused" ? outcome.problem : outcome.kind;
}

const withName = (name: string): HelloParts => ({ extensions: [[0, serverNames(name)]] });

describe("hellos of real clients", () => {
  test("node:tls", async () => {
    const bytes = await captureHello({ servername: "Www.Example.com", ALPNProtocols: ["h2", "http/1.1"] });
    const hello = helloOf(bytes);
    assert.equal(hello.serverName, "www.example.com");
    assert.deepEqual(hello.alpn, ["h2", "http/1.1"]);
    assert.deepEqual(hello.versions, [0x0304, 0x0303]);
    assert.equal(hello.offersSession, false);
    assert.equal(hello.wantsStatus, false);
    assert.ok(bytes.length > 1200, "has a post-quantum key share");
  });

  test("node:tls with TLS 1.2, a status request and no name", async () => {
    const hello = helloOf(await captureHello({ maxVersion: "TLSv1.2", requestOCSP: true }));
    assert.deepEqual(
      { ...hello },
      {
        serverName: "",
        alpn: [],
        versions: [0x0303],
        offersSession: false,
        wantsStatus: true,
      },
    );
  });

  test("openssl", { skip: skipWithout("openssl") }, async () => {
    const bytes = await captureFirstBytes((port) => {
      spawn(openssl!, ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "a.test", "-alpn", "h2"]);
    });
    const hello = helloOf(bytes);
    assert.equal(hello.serverName, "a.test");
    assert.deepEqual(hello.alpn, ["h2"]);
  });

  test("curl", { skip: skipWithout("curl") }, async () => {
    const bytes = await captureFirstBytes((port) => {
      spawn(curl!, ["-sk", "--http1.1", "--connect-to", `b.test:443:127.0.0.1:${port}`, "https://b.test/"]);
    });
    const hello = helloOf(bytes);
    assert.equal(hello.serverName, "b.test");
    assert.deepEqual(hello.alpn, ["http/1.1"]);
  });
});

describe("hellos in pieces", () => {
  test("of every size, over records of every size", async () => {
    const whole = await captureHello({ servername: "example.com", ALPNProtocols: ["h2"] });
    const expected = read(whole);
    for (let size = 1; size < 40; size++) assert.deepEqual(read(whole, size), expected, `pieces of ${size}`);
    for (let size = 30; size < whole.length; size += 7) {
      assert.deepEqual(read(fragment(whole, size)), expected, `records of ${size}`);
    }
    assert.deepEqual(read(fragment(whole, 100), 1), expected);
  });

  test("split in two at every place, by the network and into records", async () => {
    const whole = await captureHello({ servername: "example.com" });
    const expected = read(whole);
    for (let at = 1; at < whole.length; at++) {
      const reader = new HelloReader();
      assert.equal(reader.read(whole.subarray(0, at)).kind, "incomplete");
      assert.deepEqual(reader.read(Buffer.from(whole.subarray(at))), expected);
      assert.deepEqual(reader.received, whole);
    }
    const message = whole.subarray(5);
    for (let at = 1; at < message.length; at++) {
      const records = Buffer.concat([toRecord(message.subarray(0, at)), toRecord(message.subarray(at))]);
      assert.deepEqual(read(records), expected, `records at ${at}`);
    }
  });

  test("what follows stays with what was read", async () => {
    const whole = await captureHello({ servername: "example.com" });
    const early = Buffer.concat([whole, Buffer.from([20, 3, 3, 0, 1, 1])]);
    const reader = new HelloReader();
    assert.equal(reader.read(early).kind, "hello");
    assert.deepEqual(reader.received, early);
  });

  test("too many records", () => {
    const hello = makeHello({ extensions: [[21, Buffer.alloc(200)]] });
    assert.equal(problemOf(fragment(hello, 3)), "RECORD");
    assert.equal(read(fragment(hello, 5)).kind, "hello");
  });
});

describe("what is no hello", () => {
  test("HTTP without TLS is known by its first letter", () => {
    for (const text of ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0", "post / HTTP/1.0", "G"]) {
      assert.equal(problemOf(Buffer.from(text)), "http");
    }
  });

  test("other bytes", () => {
    assert.equal(problemOf(Buffer.from([0])), "NOT_TLS");
    assert.equal(problemOf(Buffer.from("\r\n")), "NOT_TLS");
    assert.equal(problemOf(Buffer.from([0x80, 0x2e, 1, 3, 1])), "SSL_2");
    assert.equal(problemOf(Buffer.from([23])), "NO_HELLO");
    assert.equal(problemOf(Buffer.from([22, 2])), "RECORD");
    assert.equal(problemOf(Buffer.from([22, 3, 1, 0, 0])), "RECORD");
    assert.equal(problemOf(Buffer.from([22, 3, 1, 0x40, 1])), "RECORD");
    assert.equal(problemOf(Buffer.from([22, 3, 1, 0, 40, 2])), "NO_HELLO");
  });

  test("lengths are refused as soon as they are known", () => {
    assert.equal(problemOf(Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x40, 1])), "TOO_LONG");
    assert.equal(problemOf(Buffer.from([22, 3, 1, 0, 40, 1, 0, 0, 20])), "RECORD");
    const cut = Buffer.concat([toRecord(Buffer.from([1, 0xff])), toRecord(Buffer.from([0, 0]))]);
    assert.equal(problemOf(cut), "TOO_LONG");
  });

  test("another record, or another message, in the middle of a hello", () => {
    const message = makeHello().subarray(5);
    const head = toRecord(message.subarray(0, 10));
    assert.equal(problemOf(Buffer.concat([head, toRecord(Buffer.from([1, 0]), 21)])), "RECORD");
    const more = Buffer.concat([message.subarray(10), Buffer.from([1])]);
    assert.equal(problemOf(Buffer.concat([head, toRecord(more)])), "RECORD");
  });
});

describe("malformed hellos", () => {
  const cases: [what: string, parts: HelloParts, problem: string][] = [
    ["a version that is no TLS", { version: 0x0203 }, "MALFORMED"],
    ["a long session id", { sessionId: Buffer.alloc(33) }, "MALFORMED"],
    ["no cipher suites", { suites: Buffer.alloc(0) }, "MALFORMED"],
    ["half a cipher suite", { suites: Buffer.alloc(3) }, "MALFORMED"],
    ["no compression method", { compressions: Buffer.alloc(0) }, "MALFORMED"],
    [
      "an extension twice",
      {
        extensions: [
          [99, Buffer.alloc(0)],
          [99, Buffer.alloc(1)],
        ],
      },
      "EXTENSION",
    ],
    [
      "a pre-shared key that isn't last",
      {
        extensions: [
          [41, Buffer.alloc(9)],
          [99, Buffer.alloc(0)],
        ],
      },
      "EXTENSION",
    ],
    ["no protocols", { extensions: [[16, vector16(Buffer.alloc(0))]] }, "EXTENSION"],
    ["an empty protocol", { extensions: [[16, vector16(Buffer.of(0))]] }, "EXTENSION"],
    [
      "bytes behind protocols",
      { extensions: [[16, Buffer.concat([vector16(Buffer.of(1, 65)), Buffer.of(0)])]] },
      "EXTENSION",
    ],
    ["half a version", { extensions: [[43, vector8(Buffer.of(3))]] }, "EXTENSION"],
    ["no versions", { extensions: [[43, vector8(Buffer.alloc(0))]] }, "EXTENSION"],
    ["two server names", { extensions: [[0, serverNames("a.test", "b.test")]] }, "SERVER_NAME"],
    ["no server name", { extensions: [[0, serverNames()]] }, "SERVER_NAME"],
    ["a name of another type", { extensions: [[0, vector16(Buffer.of(1, 0, 1, 65))]] }, "SERVER_NAME"],
    ["an empty name", withName(""), "SERVER_NAME"],
    ["a name with a dot at its end", withName("a.test."), "SERVER_NAME"],
    ["a name with an empty label", withName("a..test"), "SERVER_NAME"],
    ["a name with a NUL", withName("a.test\0.b"), "SERVER_NAME"],
    ["a name with a line end", withName("a.test\n"), "SERVER_NAME"],
    ["a name with a slash", withName("a/b"), "SERVER_NAME"],
    ["a wildcard", withName("*.test"), "SERVER_NAME"],
    ["a name beyond ASCII", withName("ä.test"), "SERVER_NAME"],
    ["a label that is too long", withName("a".repeat(64)), "SERVER_NAME"],
    ["a name that is too long", withName(`${"a.".repeat(127)}a`), "SERVER_NAME"],
  ];
  for (const [what, parts, problem] of cases) {
    test(what, () => assert.equal(problemOf(makeHello(parts)), problem));
  }

  test("bytes behind the extensions", () => {
    const message = Buffer.concat([makeHello().subarray(5), Buffer.of(0)]);
    message.writeUIntBE(message.length - 4, 1, 3);
    assert.equal(problemOf(toRecord(message)), "MALFORMED");
  });

  test("one without extensions is fine", () => {
    assert.equal(helloOf(makeHello({ extensions: null })).serverName, "");
  });

  test("a ticket that is offered", () => {
    assert.equal(helloOf(makeHello({ extensions: [[35, Buffer.alloc(0)]] })).offersSession, false);
    assert.equal(helloOf(makeHello({ extensions: [[35, Buffer.alloc(1)]] })).offersSession, true);
    assert.equal(helloOf(makeHello({ extensions: [[41, Buffer.alloc(9)]] })).offersSession, true);
  });
});

describe("fuzzing", () => {
  test("random bytes end in an outcome, the same one however they are cut", () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(bytes, fc.boolean(), fc.integer({ min: 1, max: 50 }), (random, isRecord, size) => {
        const input = isRecord ? toRecord(Buffer.from(random)) : Buffer.from(random);
        assert.deepEqual(read(input, size), read(input));
      }),
      { numRuns: 2000 },
    );
  });

  test("real hellos with bytes changed, left out and put in", async () => {
    const real = [
      await captureHello({ servername: "example.com", ALPNProtocols: ["h2", "http/1.1"] }),
      await captureHello({ maxVersion: "TLSv1.2", servername: "a.b.test", requestOCSP: true }),
    ];
    const change = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom("set", "cut", "insert"),
      value: fc.integer({ min: 0, max: 255 }),
    });
    const property = fc.property(
      fc.constantFrom(...real),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 600 }),
      (hello, changes, size) => {
        const input = changes.reduce((bytes, { at, kind, value }) => mutate(bytes, at, kind, value), hello);
        if (input.length === 0) return;
        const outcome = read(input);
        assert.deepEqual(read(input, size), outcome);
        if (outcome.kind === "hello") assert.match(outcome.hello.serverName, /^[a-z0-9_.-]*$/);
      },
    );
    fc.assert(property, { numRuns: 3000 });
  });
});

function mutate(bytes: Buffer, at: number, kind: string, value: number): Buffer {
  const place = bytes.length === 0 ? 0 : at % bytes.length;
  const before = bytes.subarray(0, place);
  const after = bytes.subarray(kind === "insert" ? place : place + 1);
  return Buffer.concat(kind === "cut" ? [before, after] : [before, Buffer.of(value), after]);
}
