import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createSession } from "../../test/kit/session.ts";
import type { Session } from "../proxy/session.ts";
import { type Server, toInit, toRecords, toServer } from "../upstream/server.ts";
import type { StickySettings } from "./settings.ts";
import { StickyCookie } from "./sticky.ts";

const SETTINGS: StickySettings = {
  ...{ cookie: "home", secret: "0123456789abcdef", maxAge: null, path: "/", secure: false, sameSite: "lax" },
};

function serversAt(...addresses: readonly string[]): readonly Server[] {
  return toRecords(addresses.map(toInit)).map((record, i) => toServer(record, i, null));
}

const SERVERS = serversAt("10.0.0.1:80", "10.0.0.2:80", "unix:/run/app");

function sessionWith(...cookies: readonly string[]): Session<unknown> {
  return createSession<unknown>({ headers: cookies.map((cookie) => `Cookie: ${cookie}`) }).session;
}

/** The cookie that binds a new client to a server. */
function cookieFor(sticky: StickyCookie, server: Server, servers: readonly Server[] = SERVERS): string {
  return sticky.binding(sessionWith(), server, servers)!.split(";")[0]!;
}

describe("a sticky cookie", () => {
  test("finds the server that it was made for", () => {
    const sticky = new StickyCookie(SETTINGS);
    for (const server of SERVERS) {
      const cookie = cookieFor(sticky, server);
      for (const cookies of [[cookie], [`a=b; ${cookie}`], ["a=b", cookie], [`${cookie}; home=other`]])
        assert.equal(sticky.serverOf(sessionWith(...cookies), SERVERS), server);
      assert.equal(sticky.binding(sessionWith(cookie), server, SERVERS), null);
    }
    assert.equal(new Set(SERVERS.map((server) => cookieFor(sticky, server))).size, SERVERS.length);
  });

  test("is the same wherever the secret and the address are", () => {
    const [first] = SERVERS;
    const others = serversAt("10.0.0.9:80", "10.0.0.1:80");
    const one = cookieFor(new StickyCookie(SETTINGS), first!);
    assert.equal(cookieFor(new StickyCookie({ ...SETTINGS }), others[1]!, others), one);
    assert.notEqual(cookieFor(new StickyCookie({ ...SETTINGS, secret: "fedcba9876543210" }), first!), one);
    // An HMAC that is known, so that clients stay with their servers over releases.
    assert.equal(one, "home=T74bIs45Unxcjq4t7P62Ew");
  });

  test("finds nothing that wasn't signed", () => {
    const sticky = new StickyCookie(SETTINGS);
    const signed = SERVERS.map((server) => cookieFor(sticky, server).slice("home=".length));
    const odd = fc.oneof(
      fc.string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)) }),
      fc.constantFrom(
        "",
        "__proto__",
        "constructor",
        "10.0.0.1:80",
        ...signed.map((value) => value.slice(1)),
      ),
    );
    fc.assert(
      fc.property(odd, (value) => {
        fc.pre(!signed.some((one) => value.includes(one)) && !value.includes("\x7f"));
        assert.equal(sticky.serverOf(sessionWith(`home=${value}`), SERVERS), null);
      }),
    );
    assert.equal(sticky.serverOf(sessionWith(), SERVERS), null);
  });

  test("knows the servers that there are now", () => {
    const sticky = new StickyCookie(SETTINGS);
    const cookie = cookieFor(sticky, SERVERS[0]!);
    const later = serversAt("10.0.0.3:80");
    assert.equal(sticky.serverOf(sessionWith(cookie), later), null);
    const back = serversAt("10.0.0.3:80", "10.0.0.1:80");
    assert.equal(sticky.serverOf(sessionWith(cookie), back), back[1]);
  });

  test("is set with its attributes", () => {
    const attributesOf = (settings: Partial<StickySettings>): string => {
      const sticky = new StickyCookie({ ...SETTINGS, ...settings });
      return sticky.binding(sessionWith(), SERVERS[0]!, SERVERS)!.replace(/^[^;]*; /, "");
    };
    assert.equal(attributesOf({}), "Path=/; HttpOnly; SameSite=Lax");
    assert.equal(attributesOf({ sameSite: null }), "Path=/; HttpOnly");
    assert.equal(
      attributesOf({ path: "/a", maxAge: 60, secure: true, sameSite: "none" }),
      "Path=/a; Max-Age=60; HttpOnly; Secure; SameSite=None",
    );
    assert.equal(attributesOf({ sameSite: "strict" }), "Path=/; HttpOnly; SameSite=Strict");
  });
});
