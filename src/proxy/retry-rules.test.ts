import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from "./retries.ts";
import {
  backoffOf,
  includesStatus,
  judgeConnectFailure,
  judgeFailure,
  mayRepeat,
  repeatsSent,
} from "./retry-rules.ts";

function policy(changes: Partial<RetryPolicy> = {}): RetryPolicy {
  return { ...DEFAULT_RETRY_POLICY, ...changes };
}

describe("a request", () => {
  test("that a server may have acted on is repeated only where that does no harm", () => {
    for (const method of ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "POST", "PATCH", "get"]) {
      const isIdempotent = !["POST", "PATCH", "get"].includes(method);
      assert.equal(mayRepeat(policy(), method, true), isIdempotent, method);
      assert.equal(mayRepeat(policy({ nonIdempotent: true }), method, true), true);
      assert.equal(mayRepeat(policy(), method, false), true);
    }
  });

  test("is kept for a repetition only where the policy may ask for one", () => {
    assert.equal(repeatsSent(policy()), false);
    assert.equal(repeatsSent(policy({ onConnectFailure: true, backoff: 10, tryTimeout: 10 })), false);
    const status = { onStatus: [{ first: 503, last: 503 }] };
    for (const changes of [{ onReset: true }, { onTimeout: true }, status, { hedgeAfter: 5 }])
      assert.equal(repeatsSent(policy(changes)), true, JSON.stringify(changes));
  });
});

describe("a failure", () => {
  function judged(
    code: ErrorCode,
    changes: Partial<RetryPolicy>,
    reused = false,
    isAnswered = false,
  ): string {
    const error = new ProxyError(code);
    judgeFailure(error, policy(changes), reused, isAnswered);
    return error.retry;
  }

  test("to connect is judged by its own condition, and by that of timeouts", () => {
    const refused = (changes: Partial<RetryPolicy>, code: ErrorCode = "UPSTREAM_CONNECT_REFUSED"): string => {
      const error = new ProxyError(code);
      judgeConnectFailure(error, policy(changes));
      return error.retry;
    };
    assert.equal(refused({}), "no");
    assert.equal(refused({ onReset: true, onTimeout: true }), "no");
    assert.equal(refused({ onConnectFailure: true }), "yes");
    assert.equal(refused({ onTimeout: true }, "UPSTREAM_CONNECT_TIMEOUT"), "yes");
  });

  test("of a connection is repeated by onReset, and left alone where the connection is merely replaced", () => {
    for (const code of ["UPSTREAM_CLOSED", "UPSTREAM_RESET"] as const) {
      assert.equal(judged(code, {}), "reused");
      assert.equal(judged(code, { onReset: true }), "yes");
      assert.equal(judged(code, { onReset: true }, true), "reused");
      assert.equal(judged(code, { onReset: true }, false, true), "reused");
      assert.equal(judged(code, { onTimeout: true, onConnectFailure: true }), "reused");
    }
  });

  test("for lack of time is repeated by onTimeout", () => {
    for (const code of ["FIRST_BYTE", "READ", "WRITE"].map((of) => `UPSTREAM_${of}_TIMEOUT` as ErrorCode)) {
      assert.equal(judged(code, { onReset: true }), "no");
      assert.equal(judged(code, { onTimeout: true }), "yes");
    }
  });

  test("of what a server says that is no response is repeated by onReset", () => {
    assert.equal(judged("UPSTREAM_BAD_RESPONSE", { onTimeout: true }), "no");
    assert.equal(judged("UPSTREAM_BAD_RESPONSE", { onReset: true }), "yes");
    assert.equal(judged("UPSTREAM_BAD_RESPONSE", { onReset: true }, false, true), "no");
  });

  test("within the response's head is a failure before the response, one behind it isn't", () => {
    for (const isAnswered of [false, true]) {
      const error = new ProxyError("UPSTREAM_CLOSED");
      error.retry = "no";
      judgeFailure(error, policy({ onReset: true }), true, isAnswered);
      assert.equal(error.retry, isAnswered ? "no" : "yes");
    }
  });
});

test("statuses are looked for in ranges, both ends included", () => {
  const ranges = [
    { first: 502, last: 504 },
    { first: 429, last: 429 },
  ];
  const found = [428, 429, 430, 501, 502, 503, 504, 505].filter((status) => includesStatus(ranges, status));
  assert.deepEqual(found, [429, 502, 503, 504]);
  assert.equal(includesStatus([], 503), false);
});

test("waits double up to the longest, with full jitter, and are the same for a seed", () => {
  const most = { next: () => 1 - Number.EPSILON };
  const waits = policy({ backoff: 100, longestBackoff: 1_000 });
  const longest = [1, 2, 3, 4, 5, 50].map((tries) => Math.round(backoffOf(waits, tries, most)));
  assert.deepEqual(longest, [100, 200, 400, 800, 1_000, 1_000]);
  assert.equal(backoffOf(waits, 3, { next: () => 0 }), 0);
  assert.equal(backoffOf(policy(), 3, most), 0);
  const draw = (): number[] => {
    const random = seededRandom("a seed");
    return Array.from({ length: 20 }, () => backoffOf(waits, 2, random));
  };
  assert.deepEqual(draw(), draw());
  assert.ok(Math.max(...draw()) > 120 && Math.min(...draw()) < 80, "there is jitter");
});
