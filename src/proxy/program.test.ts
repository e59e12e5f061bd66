import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpPeer } from "../upstream/peer.ts";
import { backgroundService } from "./background-service.ts";
import { httpService } from "./http-handler-service.ts";
import { httpProxy } from "./http-proxy-service.ts";
import { defineProxy } from "./phases.ts";
import { toServices } from "./program.ts";
import { defineServer } from "./service.ts";
import { tcpService } from "./tcp-service.ts";

const phases = defineProxy({ upstreamPeer: () => new HttpPeer("127.0.0.1:1") });
const http = httpService({ listen: ["127.0.0.1:81"], handler: () => undefined });
const unbound = tcpService({ handler() {} });
const background = backgroundService({ name: "background", start() {} });

function listens(exported: unknown, ...binds: string[]): Record<string, readonly string[]> {
  return Object.fromEntries(toServices(exported, binds).map(({ name, listen }) => [name, listen]));
}

describe("a program becomes services", () => {
  test("phases: a proxy on what it is given", () => {
    assert.deepEqual(listens(phases, "127.0.0.1:80", ":8080"), { http: ["127.0.0.1:80", ":8080"] });
  });

  test("a service, a list, a server: as they are", () => {
    assert.deepEqual(listens(http), { http: ["127.0.0.1:81"] });
    assert.deepEqual(listens([http, background]), { http: ["127.0.0.1:81"], background: [] });
    assert.deepEqual(listens(defineServer({ services: [http, background] })), {
      http: ["127.0.0.1:81"],
      background: [],
    });
  });

  test("the one service that names no address gets those that are given", () => {
    assert.deepEqual(listens([http, unbound, background], "127.0.0.1:82"), {
      http: ["127.0.0.1:81"],
      tcp: ["127.0.0.1:82"],
      background: [],
    });
    const [bound] = toServices(unbound, ["127.0.0.1:82"]);
    assert.equal(bound?.pausesAccepted, false);
    assert.equal(toServices(phases, ["127.0.0.1:82"])[0]?.pausesAccepted, true);
  });

  test("a fallback is for nobody but the one that is given nothing", () => {
    assert.deepEqual(toServices(unbound, [], "127.0.0.1:0")[0]?.listen, ["127.0.0.1:0"]);
    assert.deepEqual(toServices(unbound, [":1"], "127.0.0.1:0")[0]?.listen, [":1"]);
    assert.deepEqual(toServices(http, [], "127.0.0.1:0")[0]?.listen, ["127.0.0.1:81"]);
  });
});

describe("what is no program", () => {
  const cases: readonly [what: string, exported: unknown, message: RegExp][] = [
    ["nothing", undefined, /^This is no program: it is nothing; expected a proxy \(defineProxy\)/],
    ["null", null, /it is null;/],
    ["a number", 42, /it is the number 42;/],
    ["a text", "x", /it is the string "x";/],
    ["a function", function gateway() {}, /it is the function gateway;/],
    ["a promise", Promise.resolve(phases), /it is a promise: await it first;/],
    ["an empty object", {}, /it is an object without keys;/],
    ["an object", { a: 1, b: 2 }, /it is an object with the keys a, b;/],
    [
      "phases without a peer",
      { requestFilter() {} },
      /keys requestFilter, but without the phase upstreamPeer;/,
    ],
    ["no services", { services: [] }, /has no services/],
    ["a list with phases", [http, phases], /Service 1 of this program is none: .*wrap them in httpProxy/],
    ["a list with anything", { services: [3] }, /Service 0 of this program is none: it is the number 3/],
  ];
  for (const [what, exported, message] of cases) {
    test(what, () => assert.throws(() => toServices(exported, [":1"]), { name: "TypeError", message }));
  }

  test("is told from one with nowhere to listen", () => {
    assert.throws(() => toServices(phases, []), /Service http names no address to listen on.*--bind/);
  });

  test("nor from one that has its addresses", () => {
    assert.throws(() => toServices([http, background], [":1"]), /names its own addresses, so that :1 can't/);
  });

  test("nor from one where two could take them", () => {
    const proxy = httpProxy({ phases });
    assert.throws(() => toServices([proxy, unbound], [":1"]), /Services http and tcp name no address/);
  });

  test("addresses that are none are named with their service", () => {
    const message = /Service tcp: Address "nowhere" is none: expected host:port/;
    assert.throws(() => toServices(tcpService({ listen: ["nowhere"], handler() {} }), []), message);
    assert.throws(() => toServices(unbound, ["nowhere"]), message);
  });
});

describe("phases", () => {
  const upstreamPeer = (): HttpPeer => new HttpPeer("127.0.0.1:1");

  test("that are misspelt, or no functions, are refused by their name", () => {
    for (const [wrong, message] of [
      [{ reqestFilter() {} }, /There is no phase reqestFilter; did you mean requestFilter\?/],
      [{ requestFilters() {} }, /did you mean requestFilter\?/],
      [{ upstreamResponseHeaderFilter() {} }, /did you mean upstreamResponse/],
      [{ logging: true }, /The phase logging is no function/],
      [{ responseFilter: {} }, /The phase responseFilter is no function/],
    ] as const) {
      assert.throws(() => toServices({ upstreamPeer, ...wrong }, ["127.0.0.1:80"]), {
        name: "TypeError",
        message,
      });
      assert.throws(() => httpProxy({ phases: { upstreamPeer, ...wrong } as never }), { message });
    }
  });

  test("are refused with settings of HTTP/2 that there aren't", () => {
    const http2 = { floods: { ping: { burst: 0, perSecond: 1 } } };
    const message = "http2.floods.ping.burst has to be a number from 1 on";
    assert.throws(() => httpProxy({ phases: { upstreamPeer }, http2 }), { message });
  });

  test("may stand beside what else an object has, and be absent in every way", () => {
    const others = {
      upstreamPeer,
      logging: undefined,
      requestFilter: null,
      count: 0,
      helper() {},
      servers: [],
    };
    assert.equal(toServices(others, ["127.0.0.1:80"]).length, 1);
    class Gateway {
      readonly requestFilterNames: string[] = [];
      upstreamPeer = upstreamPeer;
      logging(): void {}
      #count(): void {}
      get counted(): unknown {
        return this.#count;
      }
    }
    assert.equal(toServices(new Gateway(), ["127.0.0.1:80"]).length, 1);
  });
});
