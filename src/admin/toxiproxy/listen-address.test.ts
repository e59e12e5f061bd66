import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SteeringError } from "../../control/steering.ts";
import { ApiFault } from "../http/api-message.ts";
import { listening, resolveListen } from "./listen-address.ts";

/** What Go 1.26's `net.Listen` says, byte for byte. */
const PROBLEMS: Readonly<Record<string, string>> = {
  bogus: "address bogus: missing port in address",
  "18475": "address 18475: missing port in address",
  ":::1": "address :::1: too many colons in address",
  "a:b:1": "address a:b:1: too many colons in address",
  "a:[b:1": "address a:[b:1: too many colons in address",
  "a[b:1": "address a[b:1: unexpected '[' in address",
  "a]b:1": "address a]b:1: unexpected ']' in address",
  "[::1": "address [::1: missing ']' in address",
  "[::1]": "address [::1]: missing port in address",
  "[::1]a:80": "address [::1]a:80: missing port in address",
  "[::1]::80": "address [::1]::80: too many colons in address",
  "[a[b]:80": "address [a[b]:80: unexpected '[' in address",
  "[::1]:8]0": "address [::1]:8]0: unexpected ']' in address",
  "127.0.0.1:99999": "address 99999: invalid port",
  "127.0.0.1:-1": "address -1: invalid port",
  "127.0.0.1:nosuch": "lookup tcp/nosuch: unknown port",
  "nosuch.invalid:80": "lookup nosuch.invalid: no such host",
};

describe("an address to listen on", () => {
  test("has its host's name resolved", async () => {
    const cases = {
      "": ":0",
      ":0": ":0",
      ":80": ":80",
      "127.0.0.1:": "127.0.0.1:0",
      "localhost:80": "127.0.0.1:80",
      "[::1]:80": "[::1]:80",
      "0.0.0.0:080": "0.0.0.0:80",
      "unix:/run/a.sock": "unix:/run/a.sock",
      "/run/a.sock": "/run/a.sock",
    };
    for (const [listen, resolved] of Object.entries(cases))
      assert.equal(await resolveListen(listen), resolved, listen);
  });

  for (const [listen, message] of Object.entries(PROBLEMS)) {
    test(`can't be ${listen}`, async () => {
      await assert.rejects(resolveListen(listen), new ApiFault(500, message));
      await assert.rejects(
        resolveListen(listen, "listen tcp: "),
        new ApiFault(500, `listen tcp: ${message}`),
      );
    });
  }
});

describe("what can't be listened on", () => {
  const failing = (code: string): Promise<never> =>
    Promise.reject(
      new SteeringError("CANNOT_LISTEN", "it broke", { cause: Object.assign(new Error(), { code }) }),
    );

  test("is told in Go's words", async () => {
    const cases = {
      EADDRINUSE: "listen tcp :80: bind: address already in use",
      EADDRNOTAVAIL: "listen tcp :80: bind: cannot assign requested address",
      EACCES: "listen tcp :80: bind: permission denied",
      EWHATEVER: "it broke",
    };
    for (const [code, message] of Object.entries(cases))
      await assert.rejects(
        listening("tcp", ":80", () => failing(code)),
        { name: "ApiFault", status: 500, message },
      );
  });

  test("is not what else can go wrong", async () => {
    const error = new SteeringError("PROXY_EXISTS", "there is one");
    await assert.rejects(
      listening("tcp", ":80", () => Promise.reject(error)),
      error,
    );
  });
});
