import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AccessGuard, type AccessRules } from "./access.ts";
import type { ApiRequest } from "./api-message.ts";

/** The status that a request with these fields is refused with; null when it may pass. */
function statusOf(fields: Readonly<Record<string, string>>, rules: Partial<AccessRules> = {}): number | null {
  const guard = new AccessGuard({ allowedHosts: [], token: null, ...rules });
  const request: ApiRequest = {
    method: "GET",
    path: "/",
    query: new URLSearchParams(),
    header: (name) => fields[name] ?? "",
    body: async () => new Uint8Array(),
  };
  return guard.refuse(request)?.status ?? null;
}

describe("the name of the host", () => {
  test("may be one of this machine, or an address", () => {
    const own = [
      "localhost",
      "LOCALHOST:8474",
      "a.localhost:1",
      "127.0.0.1:8474",
      "[::1]:8474",
      "192.0.2.1",
      "[::1]",
      "",
    ];
    for (const host of own) assert.equal(statusOf({ host }), null, host);
  });

  test("may not be another one", () => {
    const foreign = [
      "evil.example",
      "evil.example:8474",
      "localhost.evil.example",
      "evil:example:80",
      "[::1",
      "1.2.3.4.evil",
    ];
    for (const host of foreign) assert.equal(statusOf({ host }), 403, host);
  });

  test("may be one that was allowed", () => {
    assert.equal(statusOf({ host: "toxiproxy:8474" }, { allowedHosts: ["Toxiproxy"] }), null);
    assert.equal(statusOf({ host: "toxiproxy.:8474" }, { allowedHosts: ["toxiproxy"] }), null);
    assert.equal(statusOf({ host: "other" }, { allowedHosts: ["toxiproxy"] }), 403);
    assert.equal(statusOf({ host: "other" }, { allowedHosts: ["*"] }), null);
  });
});

describe("the page that a request comes from", () => {
  test("may be of the same origin", () => {
    assert.equal(statusOf({ host: "localhost:8474", origin: "http://localhost:8474" }), null);
    assert.equal(statusOf({ host: "LocalHost:8474", origin: "http://localhost:8474" }), null);
  });

  test("may not be another one", () => {
    for (const origin of ["http://localhost:3000", "https://evil.example", "null", "nonsense"])
      assert.equal(statusOf({ host: "localhost:8474", origin }), 403, origin);
  });
});

describe("the token", () => {
  test("has to be the one that was set", () => {
    const rules = { token: "s3cret" };
    assert.equal(statusOf({ host: "localhost", authorization: "Bearer s3cret" }, rules), null);
    assert.equal(statusOf({ host: "localhost", authorization: "bearer  s3cret" }, rules), null);
    for (const authorization of ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret"])
      assert.equal(statusOf({ host: "localhost", authorization }, rules), 401, authorization);
  });
});
