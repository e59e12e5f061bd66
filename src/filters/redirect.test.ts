// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the placeholders of targets
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSession, type SessionInit } from "../../test/kit/session.ts";
import { compileRedirect, parseTarget } from "./redirect.ts";

function locationOf(target: string, init: SessionInit): string {
  const lone = createSession<unknown>(init);
  compileRedirect({ status: 308, target }, null)(lone.session);
  assert.equal(lone.answer?.status, 308);
  return lone.session.response!.headers.get("location")!;
}

describe("a redirect", () => {
  const everything = "${scheme}://${host}:8443${path}?${query}#top";

  test("takes over what its target asks for", () => {
    const init = { target: "/a%20b?c=d&e", host: "A.example:80" };
    assert.equal(locationOf(everything, init), "http://a.example:8443/a%20b?c=d&e#top");
    assert.equal(locationOf("https://b.example/?from=x&${query}", init), "https://b.example/?from=x&c=d&e");
    assert.equal(locationOf("/fixed", init), "/fixed");
    assert.equal(locationOf("https://b.example${path}", init), "https://b.example/a%20b");
  });

  test("leaves out the mark of a query that isn't there", () => {
    assert.equal(locationOf("https://${host}${path}?${query}", { target: "/a" }), "https://a.example/a");
    assert.equal(locationOf("/?x&${query}", { target: "/a" }), "/?x");
    assert.equal(locationOf("${path}?${query}", { target: "/a?" }), "/a?");
  });

  test("never leads to a site that the client names", () => {
    for (const target of ["//evil.example", "/\\evil.example", "/\\/evil.example", "///evil.example"]) {
      assert.equal(locationOf("${path}", { target }), "/evil.example");
    }
    assert.equal(
      locationOf("https://b.example${path}", { method: "OPTIONS", target: "*" }),
      "https://b.example/",
    );
    const connect = { method: "CONNECT", target: "evil.example:443" };
    assert.equal(locationOf("https://b.example${path}", connect), "https://b.example/");
  });

  test("isn't made from a host that is no plain name or address", () => {
    assert.equal(
      locationOf("https://${host}${path}", { host: "[2001:DB8::1]:80" }),
      "https://[2001:db8::1]/",
    );
    for (const host of ["a%2fb", "a'b", "a;b", "", "a$b"]) {
      assert.throws(() => locationOf("https://${host}${path}", { host }), { code: "DOWNSTREAM_BAD_REQUEST" });
    }
  });

  test("has placeholders where they do no harm, only", () => {
    for (const target of [
      "${path}",
      "//${host}/",
      "https://${host}:1/x?a&${query}",
      "${scheme}://a${path}",
      "/${",
      "$path",
    ]) {
      parseTarget(target);
    }
    for (const target of [
      "https://${path}",
      "/${path}",
      "https:${path}",
      "https://a.b${host}",
      "https://${host}.b",
      "https://${host}@b",
      "https://${host}${host}",
      "https://a${query}",
      "${scheme}",
      "x${scheme}://",
      "/${PATH}",
      "/${uri}",
      "/${}",
    ]) {
      assert.throws(() => parseTarget(target), RangeError, target);
    }
  });

  test("carries the route's response headers", () => {
    const lone = createSession<unknown>();
    const changes = { remove: [], set: [["X-A", "1"] as const], add: [] };
    compileRedirect({ status: 301, target: "/x" }, changes)(lone.session);
    assert.deepEqual(lone.session.response!.headers.toJSON(), { location: "/x", "x-a": "1" });
  });
});
