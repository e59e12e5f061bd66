import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { describeFailure } from "./describe-failure.ts";

const failure = (message: string, facts: Record<string, unknown> = {}): Error =>
  Object.assign(new Error(message), facts);

for (const [what, thrown, line] of [
  ["a text", "status 503", "status 503"],
  ["a plain error", failure("so it is"), "so it is"],
  [
    "a system call",
    failure("connect ECONNREFUSED ::1:80", { code: "ECONNREFUSED", syscall: "connect" }),
    "connect ECONNREFUSED",
  ],
  [
    "a name with several addresses",
    Object.assign(
      new AggregateError([failure("", { code: "ECONNREFUSED", syscall: "connect" }), failure("other")]),
      { code: "ECONNREFUSED" },
    ),
    "connect ECONNREFUSED",
  ],
  ["an early end", failure("socket hang up", { code: "ECONNRESET" }), "closed by the server"],
  ["an early end of a stream", failure("x", { code: "ERR_STREAM_PREMATURE_CLOSE" }), "closed by the server"],
  [
    "bad HTTP",
    failure("Parse Error: Expected HTTP/", { code: "HPE_INVALID_CONSTANT" }),
    "no HTTP: Expected HTTP/",
  ],
  ["bad HTTP/2", failure("Protocol error", { code: "ERR_HTTP2_ERROR" }), "HTTP/2: Protocol error"],
  [
    "bad TLS",
    failure("write EPROTO 40:error:0A00010B:SSL routines:tls_x:wrong version number:../deps/x.c:78:\n", {
      code: "EPROTO",
      syscall: "write",
    }),
    "TLS: wrong version number",
  ],
  [
    "a certificate",
    failure("self-signed certificate", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
    "self-signed certificate",
  ],
  ["nothing but a code", failure("", { code: "ERR_X" }), "ERR_X"],
  ["steering characters", "a\u001b[31m\r\nb\u202ec\0", "a [31m b c"],
  ["no words", Object.create(null), "an object without words"],
] as const) {
  test(`${what} is described`, () => {
    assert.equal(describeFailure(thrown), line);
  });
}

test("whatever it is, it is a short line", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const line = describeFailure(failure(text));
      assert.ok(line.length <= 120);
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\u2028\u2029]/u);
    }),
  );
});
