import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cleanPath, encodePath, parseTarget } from "./request-target.ts";

describe("a request's target", () => {
  test("is a decoded path and a query", () => {
    assert.deepEqual(parseTarget("/proxies/a%20b/%C3%A9?x=%2F"), {
      path: "/proxies/a b/é",
      search: "?x=%2F",
    });
    assert.deepEqual(parseTarget("/a%2Fb"), { path: "/a/b", search: "" });
    assert.deepEqual(parseTarget("http://localhost:8474/version"), { path: "/version", search: "" });
    assert.deepEqual(parseTarget("/%ff"), { path: "/\ufffd", search: "" });
  });

  test("may be none", () => {
    for (const target of ["*", "/%zz", "/%", "/a%2", "", "http://localhost"])
      assert.equal(parseTarget(target), null);
  });
});

describe("a path", () => {
  test("is cleaned", () => {
    const cases = {
      "/": "/",
      "//": "/",
      "/a": "/a",
      "/a/": "/a/",
      "//a": "/a",
      "/a//b": "/a/b",
      "/a/./b": "/a/b",
      "/a/../b": "/b",
      "/../b/..": "/",
      "/a/b/../": "/a/",
    };
    for (const [path, clean] of Object.entries(cases)) assert.equal(cleanPath(path), clean, path);
  });

  test("is encoded as a Go server would", () => {
    assert.equal(encodePath("/a b/é?#%~@:!*'()"), "/a%20b/%C3%A9%3F%23%25~@:%21%2A%27%28%29");
  });
});
