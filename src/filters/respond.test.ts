import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSession } from "../../test/kit/session.ts";
import { compileRespond } from "./respond.ts";

describe("a response of our own", () => {
  test("is text, unless it says otherwise", () => {
    const lone = createSession<unknown>();
    compileRespond({ status: 403, headers: [], body: "No\n" }, null)(lone.session);
    assert.equal(lone.answer?.status, 403);
    assert.equal(String(lone.answer?.body), "No\n");
    assert.equal(lone.session.response!.headers.get("content-type"), "text/plain; charset=utf-8");

    const html = createSession<unknown>();
    compileRespond(
      { status: 200, headers: [["content-type", "text/html"]], body: "<p>" },
      null,
    )(html.session);
    assert.equal(html.session.response!.headers.get("content-type"), "text/html");

    const empty = createSession<unknown>();
    compileRespond({ status: 404, headers: [], body: null }, null)(empty.session);
    assert.deepEqual(empty.answer, { status: 404, headers: [], body: null });
  });

  test("carries the route's response headers", () => {
    const lone = createSession<unknown>();
    const changes = { remove: ["x-b"], set: [["X-A", "2"] as const], add: [["x-c", "3"] as const] };
    const headers = [["x-a", "1"] as const, ["X-B", "1"] as const, ["x-c", "1"] as const];
    compileRespond({ status: 200, headers, body: null }, changes)(lone.session);
    assert.deepEqual(lone.session.response!.headers.toJSON(), { "x-c": "1, 3", "x-a": "2" });
  });
});
