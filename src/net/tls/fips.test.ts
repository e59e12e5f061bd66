import assert from "node:assert/strict";
import { createHash, getFips } from "node:crypto";
import { test } from "node:test";
import { enableFips } from "./fips.ts";

test("FIPS mode works, or fails clearly and changes nothing", () => {
  try {
    enableFips();
  } catch (error) {
    assert.match((error as Error).message, /OpenSSL has no provider named fips .*OPENSSL_CONF/);
    assert.equal(getFips(), 0);
    assert.equal(createHash("md5").update("").digest("hex").length, 32);
    return;
  }
  assert.equal(getFips(), 1);
  assert.throws(() => createHash("md5"));
});
