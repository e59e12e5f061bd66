import assert from "node:assert/strict";
import { test } from "node:test";
import { CAME, viewOf } from "../../../test/kit/cache-exchange.ts";
import { MetaFlag, withPurge } from "../meta.ts";
import { MetaView } from "../meta-view.ts";
import { parseCacheControl } from "./cache-control.ts";
import { decideReuse, isServerError, mayServeOnError, Reuse, withoutEntry } from "./reuse.ts";

/** What becomes of a request so many seconds after a response with these directives came. */
function reuse(stored: string, age: number, asked: string | null = null): string | undefined {
  const view = viewOf({ response: { "cache-control": stored } });
  const directives = asked === null ? null : parseCacheControl(asked);
  const code = decideReuse(view, directives, CAME + age * 1000);
  return Object.entries(Reuse).find(([, value]) => value === code)?.[0];
}

test("answers while it is fresh, and asks from the very moment when it isn't", () => {
  assert.equal(reuse("max-age=10", 9.999), "Fresh");
  assert.equal(reuse("max-age=10", 10), "Revalidate");
  assert.equal(reuse("max-age=10", -5), "Fresh", "whatever becomes of the clock");
  assert.equal(reuse("no-cache, max-age=10", 0), "Revalidate");
  assert.equal(reuse("max-age=0", 0), "Revalidate");
});

test("answers and asks while it says so", () => {
  assert.equal(reuse("max-age=10, stale-while-revalidate=5", 14.9), "StaleWhileRevalidate");
  assert.equal(reuse("max-age=10, stale-while-revalidate=5", 15), "Revalidate");
  assert.equal(reuse("max-age=10, stale-while-revalidate=5, must-revalidate", 11), "Revalidate");
});

test("heeds what the request says", () => {
  assert.equal(reuse("max-age=100", 1, "max-age=0"), "Revalidate");
  assert.equal(reuse("max-age=100", 5, "max-age=5"), "Fresh");
  assert.equal(reuse("max-age=100", 6, "max-age=5"), "Revalidate");
  assert.equal(reuse("max-age=100", 1, "no-cache"), "Revalidate");
  assert.equal(reuse("max-age=100", 50, "min-fresh=50"), "Fresh");
  assert.equal(reuse("max-age=100", 51, "min-fresh=50"), "Revalidate");
  assert.equal(reuse("max-age=100", 51, "no-store, foo"), "Fresh");
  assert.equal(reuse("max-age=10", 60, "max-stale=50"), "Fresh");
  assert.equal(reuse("max-age=10", 61, "max-stale=50"), "Revalidate");
  assert.equal(reuse("max-age=10", 1e6, "max-stale"), "Fresh");
  assert.equal(reuse("max-age=10", 11, "max-stale=x"), "Revalidate");
  for (const strict of ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"]) {
    assert.equal(reuse(`max-age=10, ${strict}`, 11, "max-stale"), "Revalidate", strict);
  }
  assert.equal(reuse("max-age=10, stale-while-revalidate=5", 11, "max-age=20"), "StaleWhileRevalidate");
});

test("fails what it may not ask the server about", () => {
  assert.equal(reuse("max-age=10", 1, "only-if-cached"), "Fresh");
  assert.equal(reuse("max-age=10", 11, "only-if-cached"), "OnlyIfCachedFails");
  assert.equal(reuse("max-age=10", 1, "only-if-cached, no-cache"), "OnlyIfCachedFails");
  assert.equal(withoutEntry(null), Reuse.Miss);
  assert.equal(withoutEntry(parseCacheControl("no-cache")), Reuse.Miss);
  assert.equal(withoutEntry(parseCacheControl("only-if-cached")), Reuse.OnlyIfCachedFails);
});

test("counts a purge as the end of freshness", () => {
  const { bytes, flags } = viewOf({ response: { "cache-control": "max-age=10, stale-while-revalidate=5" } });
  const purged = new MetaView().of(withPurge(bytes, flags | MetaFlag.Purged, 1));
  assert.equal(decideReuse(purged, null, CAME), Reuse.StaleWhileRevalidate);
  assert.equal(decideReuse(purged, parseCacheControl("max-stale"), CAME + 16_000), Reuse.Revalidate);
});

test("serves in place of an error what may be stale", () => {
  const serves = (stored: string, age: number, asked: string | null = null): boolean => {
    const directives = asked === null ? null : parseCacheControl(asked);
    return mayServeOnError(viewOf({ response: { "cache-control": stored } }), directives, CAME + age * 1000);
  };
  assert.ok(serves("max-age=2, stale-if-error=60", 61));
  assert.ok(!serves("max-age=2, stale-if-error=60", 62));
  assert.ok(!serves("max-age=2", 3));
  assert.ok(serves("max-age=2", 1, "max-age=0"), "it is fresh");
  assert.ok(serves("max-age=2", 3, "stale-if-error=5"));
  assert.ok(!serves("max-age=2, must-revalidate", 3, "stale-if-error=5"));
  assert.ok(!serves("max-age=2, s-maxage=2", 3, "stale-if-error=5"));
  assert.ok(!serves("max-age=2, stale-if-error=60", 3, "no-cache"));
  assert.ok(!serves("max-age=2, no-cache, stale-if-error=60", 1));
  assert.deepEqual([499, 500, 501, 502, 503, 504, 505].filter(isServerError), [500, 502, 503, 504]);
});
