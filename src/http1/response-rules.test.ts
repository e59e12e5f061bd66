import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type BodyLength, ResponseHead } from "../http/heads.ts";
import { DEFAULT_HEAD_LIMITS, ScanOutcome } from "./head-limits.ts";
import { HeadScan } from "./head-scan.ts";
import { responseLines } from "./response-lines.ts";
import { isSwitch, mayBeReused, toResponseHead } from "./response-rules.ts";

function scanOf(line: string, ...fields: readonly string[]): HeadScan {
  const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
  const bytes = Buffer.from(`${[line, ...fields].join("\r\n")}\r\n\r\n`, "latin1");
  assert.equal(scan.scanResponse(bytes, 0, bytes.length), ScanOutcome.Complete);
  return scan;
}

function accept(scan: HeadScan, toHead = false): ResponseHead {
  const head = toResponseHead(scan, toHead);
  assert.ok(head instanceof ResponseHead, String(head));
  return head;
}

describe("the body of a response", () => {
  const length = "Content-Length: 5";
  const chunked = "Transfer-Encoding: chunked";
  const cases: [line: string, fields: string[], body: BodyLength][] = [
    ["HTTP/1.1 200 OK", [length], 5],
    ["HTTP/1.1 200 OK", ["Content-Length: 0"], 0],
    ["HTTP/1.1 200 OK", [chunked], "unknown"],
    ["HTTP/1.1 200 OK", [], "unknown"],
    ["HTTP/1.0 200 OK", [], "unknown"],
    ["HTTP/1.1 204 No Content", [length], "none"],
    ["HTTP/1.1 304 Not Modified", [length], "none"],
    ["HTTP/1.1 304 Not Modified", [chunked], "none"],
    ["HTTP/1.1 100 Continue", [length], "none"],
    ["HTTP/1.1 205 Reset", [], "unknown"],
    ["HTTP/1.1 404 No", [length], 5],
  ];
  for (const [line, fields, body] of cases) {
    test(`of ${line} with ${JSON.stringify(fields)}`, () => {
      assert.equal(accept(scanOf(line, ...fields)).body, body);
      assert.equal(accept(scanOf(line, ...fields), true).body, "none");
    });
  }

  test("isn't chunked in HTTP/1.0", () => {
    assert.equal(toResponseHead(scanOf("HTTP/1.0 200 OK", chunked), false), "CHUNKED_IN_HTTP_1_0");
  });
});

test("fields that Connection names are taken out of responses too", () => {
  const head = accept(
    scanOf("HTTP/1.1 200 OK", "X-Hop: 1", "Connection: x-hop, content-length", "Content-Length: 3"),
  );
  assert.deepEqual(Object.keys(head.headers.toJSON()), ["connection", "content-length"]);
});

test("a connection is used again when nothing speaks against it", () => {
  const cases: [line: string, fields: string[], reused: boolean][] = [
    ["HTTP/1.1 200 OK", ["Content-Length: 0"], true],
    ["HTTP/1.1 200 OK", ["Transfer-Encoding: chunked"], true],
    ["HTTP/1.1 200 OK", [], false],
    ["HTTP/1.1 304 Not Modified", [], true],
    ["HTTP/1.1 200 OK", ["Content-Length: 0", "Connection: close"], false],
    ["HTTP/1.1 200 OK", ["Content-Length: 0", "Connection: x, CLOSE"], false],
    ["HTTP/1.0 200 OK", ["Content-Length: 0"], false],
    ["HTTP/1.0 200 OK", ["Content-Length: 0", "Connection: keep-alive"], true],
    ["HTTP/1.0 200 OK", ["Connection: keep-alive"], false],
  ];
  for (const [line, fields, reused] of cases) {
    const scan = scanOf(line, ...fields);
    assert.equal(mayBeReused(scan, accept(scan)), reused, JSON.stringify([line, ...fields]));
  }
});

test("a switch is a 101 with both of its fields", () => {
  assert.equal(isSwitch(scanOf("HTTP/1.1 101 S", "Connection: upgrade", "Upgrade: x")), true);
  assert.equal(isSwitch(scanOf("HTTP/1.1 101 S", "Upgrade: x")), false);
  assert.equal(isSwitch(scanOf("HTTP/1.1 101 S", "Connection: upgrade")), false);
  assert.equal(isSwitch(scanOf("HTTP/1.1 200 S", "Connection: upgrade", "Upgrade: x")), false);
});

describe("the lines a connection adds to a response", () => {
  test("say what the client's version doesn't imply", () => {
    const head = ResponseHead.from({ status: 200, headers: { date: "today" } });
    assert.equal(responseLines(head, true, true), "");
    assert.equal(responseLines(head, true, false), "Connection: keep-alive\r\n");
    assert.equal(responseLines(head, false, true), "Connection: close\r\n");
    assert.equal(responseLines(head, false, false), "Connection: close\r\n");
  });

  test("hold a date when the response has none", () => {
    const line = responseLines(ResponseHead.from({ status: 200 }), true, true);
    const date = /^Date: (.*)\r\n$/.exec(line)?.[1];
    assert.ok(date !== undefined && Math.abs(Date.parse(date) - Date.now()) < 3000, line);
    assert.equal(responseLines(accept(scanOf("HTTP/1.1 200 OK", "Date: then")), true, true), "");
    const touched = accept(scanOf("HTTP/1.1 200 OK", "Date: then"));
    touched.headers.delete("date");
    assert.match(responseLines(touched, true, true), /^Date: /);
  });

  test("tell the protocol of a switch, also when Connection names it with others", () => {
    const scan = scanOf("HTTP/1.1 101 S", "Connection: upgrade, x", "Upgrade: websocket", "X: y");
    assert.equal(responseLines(accept(scan), true, true), "Connection: Upgrade\r\nUpgrade: websocket\r\n");
  });
});
