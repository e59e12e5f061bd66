import assert from "node:assert/strict";
import { test } from "node:test";
import { createSession } from "../../test/kit/session.ts";
import { DEFAULT_RETRY_POLICY, isReplaceable } from "./retries.ts";

test("only idempotent requests on used connections are sent again unasked", () => {
  for (const method of ["GET", "PUT", "DELETE", "POST", "PATCH", "get"]) {
    const { session } = createSession({ method, target: "/" });
    const isIdempotent = ["GET", "PUT", "DELETE"].includes(method);
    assert.equal(isReplaceable(session, true, DEFAULT_RETRY_POLICY), isIdempotent, method);
    assert.equal(isReplaceable(session, false, DEFAULT_RETRY_POLICY), false);
    assert.equal(isReplaceable(session, true, { ...DEFAULT_RETRY_POLICY, nonIdempotent: true }), true);
  }
});
