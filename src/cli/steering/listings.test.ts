import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ApiProxy, ApiToxic } from "./api-client.ts";
import { inspectProxy, listProxies } from "./listings.ts";
import { createPaint } from "./paint.ts";

const PIPE = createPaint(false, true);
const TERMINAL = createPaint(true, false);
const COLOURED = createPaint(true, true);

const slow: ApiToxic = {
  name: "slow",
  type: "latency",
  stream: "downstream",
  toxicity: 0.3,
  attributes: { latency: 1_000_000, jitter: 5, shared: true },
};

function proxy(name: string, toxics: readonly ApiToxic[] = [], enabled = true): ApiProxy {
  return { name, listen: "127.0.0.1:26379", upstream: "127.0.0.1:6379", enabled, toxics };
}

describe("the list of proxies", () => {
  test("has tabs between fields and no heading in a pipe", () => {
    assert.equal(
      listProxies([proxy("b", [], false), proxy("a", [slow])], PIPE),
      "a\t127.0.0.1:26379\t127.0.0.1:6379\tenabled\t1\nb\t127.0.0.1:26379\t127.0.0.1:6379\tdisabled\t0\n",
    );
    assert.equal(listProxies([], PIPE), "");
  });

  test("is a table on a terminal", () => {
    assert.equal(
      listProxies([proxy("a"), proxy("a-name-of-twenty-one-", [slow])], TERMINAL),
      "Name\t\t\tListen\t\tUpstream\t\tEnabled\t\tToxics\n" +
        `${"=".repeat(86)}\n` +
        "a\t\t\t127.0.0.1:26379\t127.0.0.1:6379\t\tenabled\t\tNone\n" +
        "a-name-of-twenty-one-\t127.0.0.1:26379\t127.0.0.1:6379\t\tenabled\t\t1\n" +
        "\nHint: inspect toxics with `sluice proxy inspect <proxyName>`\n",
    );
    assert.match(
      listProxies([], TERMINAL),
      /\nno proxies\n\nHint: create a proxy with `sluice proxy create`\n$/,
    );
  });

  test("is coloured by what is enabled", () => {
    const text = listProxies([proxy("a"), proxy("b", [], false)], COLOURED);
    assert.ok(text.includes("\x1b[32ma\x1b[0m\t"), text);
    assert.ok(text.includes("\x1b[31mb\x1b[0m\t"), text);
  });
});

describe("a proxy", () => {
  const line =
    "type=latency\tstream=downstream\ttoxicity=0.30\tattributes=[\tjitter=5\tlatency=1e+06\tshared=true\t]\n";

  test("is its toxics in a pipe", () => {
    assert.equal(inspectProxy(proxy("a", [slow]), PIPE), `slow\t${line}`);
    assert.equal(inspectProxy(proxy("a"), PIPE), "");
  });

  test("is shown by direction on a terminal", () => {
    assert.equal(
      inspectProxy(proxy("a", [slow]), TERMINAL),
      "Name: a\tListen: 127.0.0.1:26379\tUpstream: 127.0.0.1:6379\n" +
        `${"=".repeat(70)}\n` +
        "Upstream toxics:\nProxy has no Upstream toxics enabled.\n\n" +
        `Downstream toxics:\nslow:\t${line}` +
        "\nHint: add a toxic with `sluice toxic add`\n",
    );
    assert.match(inspectProxy(proxy("a"), TERMINAL), /\nProxy has no toxics enabled\.\n\nHint/);
  });
});
