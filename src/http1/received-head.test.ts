import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RequestHead, ResponseHead } from "../http/heads.ts";
import { DEFAULT_HEAD_LIMITS } from "./head-limits.ts";
import { HeadScan } from "./head-scan.ts";
import { toRequestHead } from "./request-rules.ts";
import { toResponseHead } from "./response-rules.ts";

const REQUEST = "PATCH /a?b=c HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nx-a: \xff\r\n\r\n";
const RESPONSE = "HTTP/1.1 299 Quite \xfcber\r\nX-A: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n";

/** One scan and one slab, as a thread has them: what reads them too late finds somebody else's head. */
class Slab {
  readonly bytes: Buffer = Buffer.alloc(4096);
  readonly scan: HeadScan = new HeadScan(DEFAULT_HEAD_LIMITS);

  request(text: string = REQUEST): RequestHead {
    this.bytes.write(text, 100, "latin1");
    this.scan.scanRequest(this.bytes, 100, 100 + text.length);
    return toRequestHead(this.scan) as RequestHead;
  }

  response(text: string = RESPONSE): ResponseHead {
    this.bytes.write(text, 7, "latin1");
    this.scan.scanResponse(this.bytes, 7, 7 + text.length);
    return toResponseHead(this.scan, false) as ResponseHead;
  }

  overwrite(): void {
    this.bytes.fill(0x58);
    this.scan.scanRequest(Buffer.from("EVIL /evil HTTP/1.0\r\nX-A: evil\r\n\r\n"), 0, 33);
  }
}

describe("a received head", () => {
  test("that was retained reads the same when its bytes are gone", () => {
    const slab = new Slab();
    const head = slab.request();
    head.source.retain();
    head.source.retain();
    head.source.settle();
    slab.overwrite();
    assert.equal(head.method, "PATCH");
    assert.equal(head.target, "/a?b=c");
    assert.equal(head.host, "h");
    assert.deepEqual(
      [...head.headers],
      [
        ["Host", "h"],
        ["X-A", "1"],
        ["x-a", "\xff"],
      ],
    );
    assert.equal(head.headers.get("x-a"), "1, \xff");
  });

  test("that wasn't retained reads empty, never as another's", () => {
    const slab = new Slab();
    const head = slab.request();
    head.source.settle();
    slab.overwrite();
    assert.deepEqual([...head.headers], []);
    assert.equal(head.headers.has("x-a"), false);
    assert.equal(head.headers.get("x-a"), null);
    assert.equal(head.target, "");
    head.source.retain();
    assert.equal(head.headers.has("x-a"), false);
  });

  test("keeps what was asked for in time", () => {
    const slab = new Slab();
    const head = slab.request();
    assert.equal(head.method, "PATCH");
    assert.equal(head.target, "/a?b=c");
    head.source.settle();
    slab.overwrite();
    assert.equal(head.method, "PATCH");
    assert.equal(head.target, "/a?b=c");
  });

  test("keeps changes over retained fields", () => {
    const slab = new Slab();
    const head = slab.request();
    head.headers.set("x-a", "2");
    head.headers.append("X-B", "3");
    head.source.retain();
    head.source.settle();
    slab.overwrite();
    head.headers.set("host", "other");
    assert.deepEqual(
      [...head.headers],
      [
        ["host", "other"],
        ["x-a", "2"],
        ["X-B", "3"],
      ],
    );
  });

  test("is retained for its forks too", () => {
    const slab = new Slab();
    const head = slab.request();
    const fork = head.fork();
    head.source.retain();
    fork.source.settle();
    slab.overwrite();
    fork.headers.delete("x-a");
    assert.equal(fork.method, "PATCH");
    assert.deepEqual([...fork.headers], [["Host", "h"]]);
    assert.equal(head.headers.get("x-a"), "1, \xff");
  });

  test("of a response keeps its reason and fields", () => {
    const slab = new Slab();
    const head = slab.response();
    head.source.retain();
    head.source.settle();
    slab.overwrite();
    assert.equal(head.status, 299);
    assert.equal(head.reason, "Quite \xfcber");
    assert.deepEqual(head.headers.getAll("set-cookie"), ["a", "b"]);
    const lost = slab.response();
    lost.source.settle();
    slab.overwrite();
    assert.equal(lost.reason, "");
    assert.deepEqual([...lost.headers], []);
  });

  test("as large as a head may be is retained whole", () => {
    const slab = { ...new Slab(), bytes: Buffer.alloc(70_000) };
    const fields = Array.from({ length: 127 }, (_, i) => `X-${i}: ${"v".repeat(480)}`);
    const text = `GET /${"x".repeat(2000)} HTTP/1.1\r\nHost: h\r\n${fields.join("\r\n")}\r\n\r\n`;
    const head = new Slab().request.call(slab as Slab, text);
    head.source.retain();
    head.source.settle();
    slab.bytes.fill(0);
    assert.equal([...head.headers].length, 128);
    assert.equal(head.headers.get("x-126"), "v".repeat(480));
    assert.equal(head.target.length, 2001);
  });
});
