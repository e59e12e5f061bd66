import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { BodyLength, RequestHead } from "../http/heads.ts";
import { DEFAULT_HEAD_LIMITS, type HeadProblem, ScanOutcome } from "./head-limits.ts";
import { HeadScan } from "./head-scan.ts";
import { isEmptyLineBegun, isPersistent, skipEmptyLines, toRequestHead } from "./request-rules.ts";

function scanOf(line: string, ...fields: readonly string[]): HeadScan {
  const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
  const bytes = Buffer.from(`${[line, ...fields].join("\r\n")}\r\n\r\n`, "latin1");
  assert.equal(scan.scanRequest(bytes, 0, bytes.length), ScanOutcome.Complete);
  return scan;
}

function accept(line: string, ...fields: readonly string[]): RequestHead {
  const head = toRequestHead(scanOf(line, ...fields));
  assert.ok(typeof head !== "string", `${head} for ${JSON.stringify([line, ...fields])}`);
  return head;
}

function assertRefused(problem: HeadProblem, line: string, ...fields: readonly string[]): void {
  assert.equal(toRequestHead(scanOf(line, ...fields)), problem, JSON.stringify([line, ...fields]));
}

describe("the target", () => {
  test("in origin form is taken as it is", () => {
    for (const target of ["/", "/a/../b", "//evil/x", "/a?b=http://c/", "/%00%0d", "/*"]) {
      const head = accept(`GET ${target} HTTP/1.1`, "Host: h:1");
      assert.deepEqual([head.target, head.host, head.lineChanged], [target, "h:1", false]);
    }
  });

  test("in absolute form names the host, whatever Host says", () => {
    const cases: Record<string, [target: string, host: string]> = {
      "http://a.example/b?c": ["/b?c", "a.example"],
      "HTTP://a": ["/", "a"],
      "https://a:8443/": ["/", "a:8443"],
      "http://a?x=/y": ["/?x=/y", "a"],
      "http://[::1]:80/": ["/", "[::1]:80"],
      "http://a//b": ["//b", "a"],
    };
    for (const [target, [expected, host]] of Object.entries(cases)) {
      const head = accept(`GET ${target} HTTP/1.1`, "X: 1", "Host: other", "Y: 2");
      assert.deepEqual([head.target, head.host], [expected, host]);
      assert.deepEqual(head.headers.getAll("host"), [host]);
      assert.equal(head.lineChanged, true);
      assert.equal([...head.headers][1]![1], host);
    }
    const old = accept("GET http://a/ HTTP/1.0");
    assert.equal(old.headers.get("host"), "a");
  });

  test("of OPTIONS may mean the server as a whole", () => {
    assert.equal(accept("OPTIONS * HTTP/1.1", "Host: a").target, "*");
    assert.equal(accept("OPTIONS http://a HTTP/1.1", "Host: a").target, "*");
    assert.equal(accept("OPTIONS http://a/ HTTP/1.1", "Host: a").target, "/");
  });

  test("of CONNECT is a host and a port", () => {
    for (const target of ["a:443", "[::1]:443", "1.2.3.4:1"]) {
      assert.equal(accept(`CONNECT ${target} HTTP/1.1`, "Host: a").target, target);
    }
  });

  test("is refused when it isn't what its method takes", () => {
    for (const line of [
      "GET * HTTP/1.1",
      "OPTIONS ** HTTP/1.1",
      "OPTIONS *x HTTP/1.1",
      "GET a:443 HTTP/1.1",
      "GET a HTTP/1.1",
      "GET ?a HTTP/1.1",
      "GET \\a HTTP/1.1",
      "GET ftp://a/ HTTP/1.1",
      "GET urn:a HTTP/1.1",
      "GET javascript:x HTTP/1.1",
      "GET http:/a/ HTTP/1.1",
      "GET http:///a HTTP/1.1",
      "GET http://?a HTTP/1.1",
      "GET http://user@a/ HTTP/1.1",
      "GET http://user:pass@a/ HTTP/1.1",
      "GET http://a:b/ HTTP/1.1",
      "GET http://a:1:2/ HTTP/1.1",
      "GET http://a\\b/ HTTP/1.1",
      "GET http://[::1/ HTTP/1.1",
      "GET http://[x]/ HTTP/1.1",
      "CONNECT a HTTP/1.1",
      "CONNECT a: HTTP/1.1",
      "CONNECT :443 HTTP/1.1",
      "CONNECT / HTTP/1.1",
      "CONNECT * HTTP/1.1",
      "CONNECT a:443/ HTTP/1.1",
      "CONNECT u@a:443 HTTP/1.1",
      "CONNECT http://a:443 HTTP/1.1",
      "connect a:443 HTTP/1.1",
      "options * HTTP/1.1",
    ]) {
      assertRefused("BAD_TARGET", line, "Host: a");
    }
  });
});

describe("the host", () => {
  test("is required of HTTP/1.1 and may be missing from HTTP/1.0", () => {
    assertRefused("BAD_HOST", "GET / HTTP/1.1");
    assertRefused("BAD_HOST", "GET http://a/ HTTP/1.1");
    assertRefused("BAD_HOST", "GET / HTTP/1.2");
    const head = accept("GET / HTTP/1.0");
    assert.deepEqual([head.host, head.protocol], ["", "HTTP/1.0"]);
  });

  test("may be empty, a name, an address, with a port", () => {
    for (const host of [
      "",
      "a",
      "a.b-c_d~e",
      "a%20b",
      "127.0.0.1:80",
      "[2001:db8::1]",
      "[::ffff:1.2.3.4]:8",
      "a:",
    ]) {
      assert.equal(accept("GET / HTTP/1.1", `Host: ${host}`).host, host);
    }
  });

  test("is refused when two readers could find two hosts in it", () => {
    for (const host of [
      "a b",
      "a/b",
      "a@b",
      "http://a",
      "a:b",
      "a:1:2",
      "::1",
      "[::1",
      "[::1]x",
      "a?b",
      "a\\b",
      "\xe4",
      "a:123456",
    ]) {
      assertRefused("BAD_HOST", "GET / HTTP/1.1", `Host: ${host}`);
      // Not because it was looked up before.
      assertRefused("BAD_HOST", "GET / HTTP/1.1", `Host: ${host}`);
    }
  });
});

describe("the body", () => {
  const cases: [fields: string[], body: BodyLength][] = [
    [[], "none"],
    [["Content-Length: 0"], 0],
    [["Content-Length: 17"], 17],
    [["Transfer-Encoding: chunked"], "unknown"],
  ];
  for (const [fields, body] of cases) {
    test(`is framed by ${JSON.stringify(fields)}, whatever the method`, () => {
      for (const method of ["GET", "POST", "HEAD", "DELETE", "X"]) {
        assert.equal(accept(`${method} / HTTP/1.1`, "Host: a", ...fields).body, body);
      }
    });
  }

  test("isn't chunked in HTTP/1.0", () => {
    assertRefused("CHUNKED_IN_HTTP_1_0", "POST / HTTP/1.0", "Transfer-Encoding: chunked");
  });

  test("isn't there before a tunnel", () => {
    assertRefused("BODY_IN_CONNECT", "CONNECT a:1 HTTP/1.1", "Host: a", "Content-Length: 3");
    assertRefused("BODY_IN_CONNECT", "CONNECT a:1 HTTP/1.1", "Host: a", "Transfer-Encoding: chunked");
    accept("CONNECT a:1 HTTP/1.1", "Host: a", "Content-Length: 0");
  });
});

describe("Expect", () => {
  test("is understood or refused", () => {
    assert.equal(accept("PUT / HTTP/1.1", "Host: a", "Expect: 100-Continue").expectsContinue, true);
    assert.equal(accept("PUT / HTTP/1.1", "Host: a").expectsContinue, false);
    for (const value of ["", "100-continue, x", "200-ok", "100"]) {
      assertRefused("BAD_EXPECT", "PUT / HTTP/1.1", "Host: a", `Expect: ${value}`);
    }
    assertRefused("BAD_EXPECT", "PUT / HTTP/1.1", "Host: a", "Expect: 100-continue", "Expect: 100-continue");
  });

  test("means nothing in HTTP/1.0", () => {
    const head = accept("PUT / HTTP/1.0", "Expect: whatever");
    assert.equal(head.expectsContinue, false);
    assert.equal(head.headers.has("expect"), false);
  });
});

describe("Upgrade", () => {
  test("counts when Connection names it", () => {
    const fields = ["Host: a", "Connection: keep-alive, Upgrade", "Upgrade: websocket"];
    assert.equal(accept("GET / HTTP/1.1", ...fields).upgrade, "websocket");
    assert.equal(accept("GET / HTTP/1.1", "Host: a", "Upgrade: websocket").upgrade, null);
    assert.equal(accept("GET / HTTP/1.1", "Host: a", "Connection: upgrade").upgrade, null);
    assert.equal(accept("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade:").upgrade, null);
    assert.equal(accept("GET / HTTP/1.0", ...fields).upgrade, null);
  });

  test("never opens a tunnel into HTTP/2", () => {
    for (const value of ["h2c", "H2C", "h2", "websocket, h2c", "h2c,x", "x ,\th2c/1", "x", "h2c2"]) {
      const head = accept(
        "GET / HTTP/1.1",
        "Host: a",
        "Connection: Upgrade, HTTP2-Settings",
        `Upgrade: ${value}`,
      );
      assert.equal(head.upgrade, value === "x" || value === "h2c2" ? value : null, value);
    }
  });
});

describe("fields that Connection names", () => {
  test("are taken out", () => {
    const fields = [
      "Host: a",
      "X-Hop: 1",
      "x-stay: 2",
      "Connection: x-hop , ,close",
      "x-HOP: 3",
      "Connection: X-More",
      "x-more: 4",
    ];
    const head = accept("GET / HTTP/1.1", ...fields);
    assert.equal(head.headers.has("x-hop"), false);
    assert.equal(head.headers.has("x-more"), false);
    assert.equal(head.headers.get("x-stay"), "2");
  });

  test("are kept when others rely on them", () => {
    const kept = [
      "Host: a",
      "Content-Length: 1",
      "Via: v",
      "Forwarded: for=x",
      "X-Forwarded-For: y",
      "X-Forwarded-Proto: z",
    ];
    const names = "host, content-length, via, forwarded, X-Forwarded-For, x-forwarded-proto";
    const head = accept("POST / HTTP/1.1", ...kept, `Connection: ${names}`);
    assert.equal([...head.headers].length, kept.length + 1);
  });

  test("may be a long list", () => {
    const fields = Array.from({ length: 120 }, (_, i) => `x-${i}: ${i}`);
    const head = accept("GET / HTTP/1.1", "Host: a", ...fields, `Connection: ${"x-7,y,".repeat(10_000)}`);
    assert.equal(head.headers.has("x-7"), false);
    assert.equal(head.headers.has("x-8"), true);
  });
});

test("a connection persists by version and option", () => {
  assert.equal(isPersistent(scanOf("GET / HTTP/1.1")), true);
  assert.equal(isPersistent(scanOf("GET / HTTP/1.1", "Connection: x")), true);
  assert.equal(isPersistent(scanOf("GET / HTTP/1.1", "Connection: Close")), false);
  assert.equal(isPersistent(scanOf("GET / HTTP/1.1", "Connection: keep-alive, close")), false);
  assert.equal(isPersistent(scanOf("GET / HTTP/1.0")), false);
  assert.equal(isPersistent(scanOf("GET / HTTP/1.0", "Connection: Keep-Alive")), true);
  assert.equal(isPersistent(scanOf("GET / HTTP/1.0", "Connection: keep-alive, close")), false);
});

test("empty lines are passed over, half of one is waited for", () => {
  const bytes = Buffer.from("..\r\n\r\n\rG");
  assert.equal(skipEmptyLines(bytes, 2, 8), 6);
  assert.equal(skipEmptyLines(bytes, 2, 3), 2);
  assert.equal(isEmptyLineBegun(bytes, 6, 7), true);
  assert.equal(isEmptyLineBegun(bytes, 6, 8), false);
  assert.equal(isEmptyLineBegun(bytes, 6, 6), false);
  assert.equal(isEmptyLineBegun(bytes, 7, 8), false);
});
