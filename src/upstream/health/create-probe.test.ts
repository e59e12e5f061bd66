import assert from "node:assert/strict";
import { test } from "node:test";
import { startOrigin } from "../../../test/kit/origins.ts";
import type { HealthCheckSettings } from "../group-settings.ts";
import { createProbe } from "./create-probe.ts";
import { examine } from "./probe.contract.ts";

const times = { interval: 1000, jitter: 0, timeout: 1000, rise: 1, fall: 1, port: null };
const tls = {};
const http = { method: "GET", path: "/", headers: [], expect: [{ first: 404, last: 404 }], body: null };

/** What each kind of probe finds wrong with a server that speaks HTTP/1. */
const KINDS: readonly (readonly [settings: HealthCheckSettings, found: RegExp])[] = [
  [{ ...times, kind: "tcp" }, /^well$/],
  [{ ...times, kind: "tls", tls }, /^TLS: /],
  [{ ...times, ...http, kind: "http", tls: null }, /^status 200$/],
  [{ ...times, ...http, kind: "http", tls }, /^TLS: /],
  [{ ...times, kind: "grpc", service: "", tls: null }, /^HTTP\/2: |^closed/],
  [{ ...times, kind: "grpc", service: "", tls }, /^TLS: /],
];

for (const [settings, found] of KINDS) {
  const secured = "tls" in settings && settings.tls !== null ? " over TLS" : "";
  test(`makes the probe for ${settings.kind}${secured}`, async () => {
    await using origin = await startOrigin();
    assert.match((await examine(createProbe(settings), origin.address)) ?? "well", found);
  });
}
