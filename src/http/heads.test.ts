import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RequestHead, ResponseHead } from "./heads.ts";
import { isBodiless, reasonPhrase } from "./status.ts";

describe("a request head", () => {
  test("is made with method, target and headers", () => {
    const head = RequestHead.from({ method: "PUT", target: "/a?b", headers: { Host: "x" }, body: 5 });
    assert.equal(head.method, "PUT");
    assert.equal(head.path, "/a");
    assert.equal(head.query, "b");
    assert.equal(head.body, 5);
    assert.equal(head.headers.get("host"), "x");
  });

  test("changes path and query by themselves", () => {
    const head = RequestHead.from({ target: "/a?b?c" });
    assert.equal(head.query, "b?c");
    head.path = "/z";
    assert.equal(head.target, "/z?b?c");
    head.query = null;
    assert.equal(head.target, "/z");
    head.query = "";
    assert.equal(head.target, "/z?");
    head.path = "/y";
    assert.equal(head.target, "/y?");
  });

  test("takes nothing that could break the request line", () => {
    const head = RequestHead.from({ target: "/" });
    for (const target of ["", "/ HTTP/1.1\r\nX: y", "/a b", "/\u010a", "/#x", "/ä"]) {
      assert.throws(() => {
        head.target = target;
      }, TypeError);
    }
    for (const method of ["", "GET /", "A\r\n", "G\u0120"]) {
      assert.throws(() => {
        head.method = method;
      }, TypeError);
    }
    assert.equal(head.target, "/");
    assert.equal(head.method, "GET");
  });

  test("keeps line breaks out of what is told to servers", () => {
    const head = RequestHead.from({ target: "/" });
    for (const hostile of ["a\r\nX: y", "a\nX: y", "a\0", "\u0100"]) {
      assert.throws(() => {
        head.host = hostile;
      }, TypeError);
      assert.throws(() => {
        head.upgrade = hostile;
      }, TypeError);
    }
    assert.deepEqual([head.host, head.upgrade], ["", null]);
  });

  test("is forked with all that was found out about it", () => {
    const head = RequestHead.from({ method: "POST", target: "/x", headers: { a: "1" } });
    head.host = "h";
    head.upgrade = "websocket";
    head.expectsContinue = true;
    const fork = head.fork();
    fork.target = "/y";
    fork.headers.set("a", "2");
    assert.deepEqual(
      [fork.method, fork.host, fork.upgrade, fork.expectsContinue],
      ["POST", "h", "websocket", true],
    );
    assert.equal(head.target, "/x");
    assert.equal(head.headers.get("a"), "1");
  });
});

describe("a response head", () => {
  test("gets the standard reason with its status", () => {
    const head = ResponseHead.from({ status: 404 });
    assert.equal(head.reason, "Not Found");
    head.status = 503;
    assert.equal(head.reason, "Service Unavailable");
    head.status = 599;
    assert.equal(head.reason, "Unknown");
  });

  test("keeps line breaks out of the reason and nonsense out of the status", () => {
    const head = ResponseHead.from({ status: 200, reason: "Fine\r\nX: y\u010a" });
    assert.equal(head.reason, "FineX: y");
    for (const status of [0, 99, 1000, 200.5, Number.NaN, -200]) {
      assert.throws(() => {
        head.status = status;
      }, RangeError);
    }
  });
});

test("statuses", () => {
  assert.equal(reasonPhrase(418), "I'm a Teapot");
  assert.equal(reasonPhrase(299), "Unknown");
  for (const status of [100, 101, 103, 199, 204, 304]) assert.equal(isBodiless(status), true);
  for (const status of [200, 205, 206, 301, 400, 500]) assert.equal(isBodiless(status), false);
});
