import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeBlock, type Pair } from "../../test/kit/hpack.ts";
import { RequestHead } from "../http/heads.ts";
import type { RequestAdditions } from "../http/streams.ts";
import { HeaderEncoder } from "./hpack/header-encoder.ts";
import { isOverList } from "./list-size.ts";
import { requestRoom } from "./request-writer.ts";

const NOTHING: RequestAdditions = { lines: "", dropped: 0, upgrade: null, accept: null };

function isOver(limit: number, head: RequestHead, additions: RequestAdditions = NOTHING): boolean {
  return isOverList(limit, requestRoom(head, additions), head, additions);
}

/** The smallest limit that the head is under. */
function sizeOf(head: RequestHead, additions: RequestAdditions = NOTHING): number {
  let [under, over] = [100_000, 0];
  while (under - over > 1) {
    const middle = (under + over) >> 1;
    if (isOver(middle, head, additions)) over = middle;
    else under = middle;
  }
  return under;
}

const lowercase = fc.stringMatching(/^x-[a-z]{1,20}$/);
const value = fc.stringMatching(/^[!-~]{0,200}$/);

test("a list counts what RFC 9113 §6.5.2 says, and little more", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(lowercase, value), { maxLength: 20 }), (fields) => {
      const pairs: Pair[] = [
        [":method", "POST"],
        [":scheme", "http"],
        [":authority", "a.example"],
        [":path", "/somewhere"],
        ...fields,
      ];
      const exact = pairs.reduce((sum, [name, text]) => sum + name.length + text.length + 32, 0);
      const head = RequestHead.from({
        method: "POST",
        target: "/somewhere",
        headers: [["Host", "a.example"], ...fields],
      });
      const size = sizeOf(head);
      assert.ok(size >= exact, `${size} for ${exact}`);
      assert.ok(size <= exact + 16, `${size} for ${exact}`);
      assert.ok(encodeBlock(new HeaderEncoder(), pairs).length <= exact);
    }),
  );
});

test("what isn't sent doesn't count, and what is added does", () => {
  const headers = {
    Host: "a",
    Connection: "close",
    "Keep-Alive": "x".repeat(500),
    "X-Forwarded-For": "y".repeat(500),
  };
  const head = RequestHead.from({ target: "/", headers });
  const bare = sizeOf(RequestHead.from({ target: "/", headers: { Host: "a" } }));
  const line = "X-Forwarded-For: 127.0.0.1\r\n";
  const additions = { ...NOTHING, lines: line, dropped: 1 << 16 };
  assert.equal(sizeOf(head, additions), bare + "X-Forwarded-For127.0.0.1".length + 32);
});
