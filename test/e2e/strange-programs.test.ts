import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { freePort } from "../kit/ports.ts";
import { answering, EARLY_PHASES, ok, request, startProxy } from "./proxy.ts";

/** What can be thrown, or returned for a promise, and can't be handled like anything else. */
const wordless: unknown = Object.create(null);
const nothing: unknown = undefined;
const deceptive = {
  // biome-ignore lint/suspicious/noThenProperty: it is what this is about
  get then(): never {
    throw new Error("no promise at all");
  },
};

const POST = `${request("POST /", "Content-Length: 5")}hello`;

describe("a session ends with 500 and the proxy goes on", () => {
  for (const phase of EARLY_PHASES) {
    for (const [what, act] of [
      [
        "throws something without words",
        () => {
          throw wordless;
        },
      ],
      [
        "throws nothing",
        () => {
          throw nothing;
        },
      ],
      ["returns what throws when it is asked whether it is a promise", () => deceptive],
    ] as const) {
      test(`when ${phase} ${what}`, async () => {
        await using proxy = await startProxy({
          origin: answering(ok()),
          phases: { [phase]: act, logging: act, requestSummary: act } as unknown as Partial<ProxyPhases>,
        });
        const client = await proxy.connect();
        assert.equal((await client.exchange(POST)).status, 500);
        assert.equal((await client.exchange(POST)).status, 500);
        client.destroy();
        assert.equal(proxy.reported[0]?.error.code, "FILTER_FAILED");
      });
    }
  }
});

describe("a synchronous phase that returns a promise", () => {
  /** Whatever becomes of the promise, it is nobody's unhandled rejection. */
  const later = async (): Promise<never> => {
    await nextTurn();
    throw new Error("too late");
  };

  for (const [phase, status] of [
    ["newContext", 500],
    ["failToConnect", 500],
    ["errorWhileProxy", 500],
  ] as const) {
    test(`is a failure: ${phase}`, async () => {
      const closed = await freePort();
      await using proxy = await startProxy({
        origin: (connection) => connection.readRequest().then(() => connection.destroy()),
        phases: {
          ...(phase === "failToConnect" ? { upstreamPeer: () => new HttpPeer(`127.0.0.1:${closed}`) } : {}),
          [phase]: later,
        } as unknown as Partial<ProxyPhases>,
      });
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, status);
      client.destroy();
      assert.match(String(proxy.reported[0]?.error), new RegExp(`${phase} returned a promise`));
    });
  }

  for (const phase of ["upstreamResponseTrailerFilter", "responseTrailerFilter"] as const) {
    test(`cuts the response: ${phase}`, async () => {
      const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n";
      await using proxy = await startProxy({
        origin: answering(chunked),
        phases: { [phase]: later } as unknown as Partial<ProxyPhases>,
      });
      const client = await proxy.connect();
      void client.write(request("GET /"));
      assert.doesNotMatch((await client.readToEnd()).toString(), /\r\n0\r\n/);
      assert.match(String(proxy.reported[0]?.error), new RegExp(`${phase} returned a promise`));
    });
  }

  for (const phase of ["suppressErrorLog", "requestSummary"] as const) {
    test(`is reported beside the error: ${phase}`, async () => {
      const refuse = (): never => {
        throw new Error("no");
      };
      await using proxy = await startProxy({
        origin: answering(ok()),
        phases: { requestFilter: refuse, [phase]: later } as unknown as Partial<ProxyPhases>,
      });
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 500);
      client.destroy();
      assert.deepEqual(
        proxy.reported.map(({ error }) => / returned a promise/.test(error.message)),
        [true, false],
      );
    });
  }

  test("lets nobody in: connectionFilter", async () => {
    await using proxy = await startProxy({
      origin: answering(ok()),
      connectionFilter: (async () => false) as unknown as () => boolean,
    });
    const client = await proxy.connect();
    await client.closed;
    assert.match(String(proxy.reported[0]?.error), /connectionFilter returned a promise/);
  });
});
