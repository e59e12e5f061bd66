import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseRedisUrl, withoutSecrets } from "./redis-url.ts";

describe("a URL of Redis", () => {
  test("says where it is, and who asks", () => {
    const cases: Record<string, ReturnType<typeof parseRedisUrl>> = {
      "redis://cache.example": { socket: { host: "cache.example", port: 6379 } },
      "redis://": { socket: { host: "127.0.0.1", port: 6379 } },
      "redis://[::1]:7000/3": { socket: { host: "::1", port: 7000 }, database: 3 },
      "rediss://ann:p%40ss@cache.example:1/": {
        socket: { host: "cache.example", port: 1, tls: true },
        username: "ann",
        password: "p@ss",
      },
      "redis://:secret@a": { socket: { host: "a", port: 6379 }, password: "secret" },
      "redis+unix:///run/redis%20a.sock": { socket: { path: "/run/redis a.sock" } },
      "redis+unix://:secret@localhost/run/redis.sock?db=2": {
        socket: { path: "/run/redis.sock" },
        password: "secret",
        database: 2,
      },
    };
    for (const [url, target] of Object.entries(cases)) assert.deepEqual(parseRedisUrl(url), target, url);
  });

  test("that is none is refused, and not told", () => {
    for (const url of ["", "redis", "http://:secret@a", "redis://:secret@a/b", "redis://:secret@a:99999"])
      assert.throws(
        () => parseRedisUrl(url),
        (error) => error instanceof RangeError && !error.message.includes("secret"),
        url,
      );
  });

  test("is told without its password", () => {
    assert.equal(withoutSecrets("rediss://ann:p%40ss@cache.example:1/2"), "rediss://cache.example:1/2");
    assert.equal(withoutSecrets("redis+unix://:p@localhost/run/a@b"), "redis+unix://localhost/run/a@b");
    assert.equal(withoutSecrets("redis://cache.example"), "redis://cache.example");
  });
});
