import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ForwardingPolicy } from "../../src/proxy/forwarding.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { startRawOrigin } from "../kit/raw-origin.ts";
import { answering, ok, type ProxyOptions, request, startProxy } from "./proxy.ts";

/** What the server sees of a request, and what the client gets. */
async function forward(text: string, options: ProxyOptions<undefined> = {}): Promise<RawRequest> {
  const requests: RawRequest[] = [];
  await using proxy = await startProxy({ origin: answering(ok(), requests), ...options });
  const client = await proxy.connect();
  const response = await client.exchange(text);
  assert.equal(response.status, 200);
  assert.equal(requests.length, 1);
  return requests[0]!;
}

function policy(changes: Partial<ForwardingPolicy>): ProxyOptions<undefined> {
  const forwarding = {
    mode: "append",
    xForwarded: true,
    forwarded: true,
    trustedProxies: [],
    via: null,
  } as const;
  return { forwarding: { ...forwarding, ...changes } };
}

function names(message: RawRequest): string[] {
  return message.headers.map(([name]) => name.toLowerCase());
}

describe("hop-by-hop fields", () => {
  test("of a request end here", async () => {
    const seen = await forward(
      request(
        "GET /a?b=c%20d",
        "Connection: keep-alive, X-Gone, x-also-gone",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eA==",
        "TE: trailers, deflate",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "X-Gone: 1",
        "X-ALSO-Gone: 1",
        "X-gone: 2",
        "X-Stays: 1",
        "Cookie: a=b",
        "cookie: c=d",
      ),
    );
    assert.equal(seen.target, "/a?b=c%20d");
    assert.deepEqual(seen.headers, [
      ["Host", "a.example"],
      ["X-Stays", "1"],
      ["Cookie", "a=b"],
      ["cookie", "c=d"],
    ]);
  });

  test("of a response end here", async () => {
    const fields = [
      "Connection: X-Gone",
      "Connection: keep-alive",
      "Keep-Alive: timeout=5",
      "Proxy-Authenticate: Basic",
      "Proxy-Connection: x",
      "X-Gone: 1",
      "X-Stays: 1",
      "Set-Cookie: a=b",
      "Set-Cookie: c=d",
      "Date: Thu, 01 Jan 1970 00:00:00 GMT",
    ];
    await using proxy = await startProxy({ origin: answering(ok("", ...fields)) });
    const client = await proxy.connect();
    const response = await client.exchange(request("GET /"));
    assert.deepEqual(response.headers, [
      ["X-Stays", "1"],
      ["Set-Cookie", "a=b"],
      ["Set-Cookie", "c=d"],
      ["Date", "Thu, 01 Jan 1970 00:00:00 GMT"],
      ["Content-Length", "0"],
    ]);
  });

  test("can't be made of what frames, routes or identifies", async () => {
    const listed =
      "Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded, Via";
    const seen = await forward(
      `${request(
        "POST /",
        `Connection: close, ${listed}`,
        "Content-Length: 2",
        "X-Forwarded-For: 192.0.2.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: b.example",
        "Forwarded: for=192.0.2.9",
        "Via: 1.0 before",
      )}hi`,
    );
    assert.equal(seen.body.toString(), "hi");
    assert.equal(seen.header("host"), "a.example");
    assert.equal(seen.header("x-forwarded-for"), "192.0.2.9");
    assert.equal(seen.header("x-forwarded-proto"), "https");
    assert.equal(seen.header("x-forwarded-host"), "b.example");
    assert.equal(seen.header("forwarded"), "for=192.0.2.9");
    assert.equal(seen.header("via"), "1.0 before");
  });

  test("an Expect that Connection names still reaches the server", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        const head = await connection.readHead();
        assert.match(head, /\r\nExpect: 100-continue\r\n/);
        void connection.write("HTTP/1.1 100 Continue\r\n\r\n");
        await connection.readExactly(2);
        void connection.write(ok());
      },
    });
    const client = await proxy.connect();
    const fields = ["Connection: expect", "Expect: 100-continue", "Content-Length: 2"];
    void client.write(request("POST /", ...fields));
    assert.match(await client.readHead(), /^HTTP\/1.1 100 /);
    assert.equal((await client.exchange("hi")).status, 200);
  });
});

describe("X-Forwarded-*", () => {
  const received = [
    "X-Forwarded-For: 198.51.100.1",
    "x-forwarded-for: 198.51.100.2",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: first.example",
  ];

  test("say who the client is", async () => {
    const seen = await forward(request("GET /"), policy({ forwarded: false }));
    assert.equal(seen.header("x-forwarded-for"), "127.0.0.1");
    assert.equal(seen.header("x-forwarded-proto"), "http");
    assert.equal(seen.header("x-forwarded-host"), "a.example");
    assert.ok(!names(seen).includes("forwarded"));
  });

  test("grow in append", async () => {
    const seen = await forward(request("GET /", ...received), policy({}));
    assert.equal(seen.header("x-forwarded-for"), "198.51.100.1, 198.51.100.2, 127.0.0.1");
    assert.equal(seen.header("x-forwarded-proto"), "https");
    assert.equal(seen.header("x-forwarded-host"), "first.example");
    assert.equal(names(seen).filter((name) => name === "x-forwarded-for").length, 1);
  });

  test("start anew in replace, and for clients that aren't trusted", async () => {
    for (const changes of [{ mode: "replace" }, { trustedProxies: ["10.0.0.0/8", "::2"] }] as const) {
      const seen = await forward(request("GET /", ...received), policy(changes));
      assert.equal(seen.header("x-forwarded-for"), "127.0.0.1");
      assert.equal(seen.header("x-forwarded-proto"), "http");
      assert.equal(seen.header("x-forwarded-host"), "a.example");
    }
  });

  test("of those that aren't written nothing is taken from clients that aren't trusted", async () => {
    const all = request("GET /", ...received, "Forwarded: host=evil.example");
    for (const [none, other] of [
      [{ forwarded: false }, "forwarded"],
      [{ xForwarded: false }, "x-forwarded-for"],
    ] as const) {
      const replaced = await forward(all, policy({ mode: "replace", ...none }));
      assert.equal(replaced.header(other), undefined);
      assert.notEqual((await forward(all, policy(none))).header(other), undefined, "appended to");
      const written = await forward(all, {
        ...policy({ mode: "replace", ...none }),
        phases: { upstreamRequestFilter: (_, { headers }) => headers.set(other, "mine") },
      });
      assert.equal(written.header(other), "mine");
    }
  });

  test("are believed of trusted proxies", async () => {
    for (const trusted of ["127.0.0.1", "127.0.0.0/8"]) {
      const seen = await forward(request("GET /", ...received), policy({ trustedProxies: [trusted] }));
      assert.equal(seen.header("x-forwarded-for"), "198.51.100.1, 198.51.100.2, 127.0.0.1");
    }
  });

  test("are believed of nobody by a range that is cut off: nothing is started", async () => {
    for (const range of ["10.0.0.0/", "10.0.0.0/33", "ten"]) {
      await assert.rejects(
        startProxy(policy({ trustedProxies: [range] })),
        /could not start: .* is neither an address/,
      );
    }
  });

  test("are nobody's business when off", async () => {
    const seen = await forward(request("GET /", ...received), policy({ mode: "off" }));
    assert.deepEqual(
      seen.headers.map(([name, value]) => `${name}: ${value}`),
      ["Host: a.example", ...received],
    );
  });

  test("follow the host of each request on a connection", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({ origin: answering(ok(), requests), ...policy({}) });
    const client = await proxy.connect();
    for (const host of ["one.example", "two.example:81", "two.example:81", "one.example"]) {
      await client.exchange(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.equal(requests.at(-1)?.header("x-forwarded-host"), host);
      assert.equal(requests.at(-1)?.header("forwarded"), `for=127.0.0.1;proto=http;host="${host}"`);
    }
  });

  test("a filter's own value is a part of the chain, not a second line", async () => {
    const seen = await forward(request("GET /"), {
      ...policy({ forwarded: false }),
      phases: {
        upstreamRequestFilter: (_, { headers }) => {
          headers.set("X-Forwarded-For", "192.0.2.1");
          headers.set("X-Forwarded-Proto", "https");
        },
      },
    });
    assert.equal(seen.header("x-forwarded-for"), "192.0.2.1, 127.0.0.1");
    assert.equal(seen.header("x-forwarded-proto"), "https");
    assert.equal(names(seen).filter((name) => name.startsWith("x-forwarded-")).length, 3);
  });
});

describe("Forwarded (RFC 7239)", () => {
  test("gets an element of our own", async () => {
    const seen = await forward(request("GET /"), policy({ xForwarded: false }));
    assert.equal(seen.header("forwarded"), 'for=127.0.0.1;proto=http;host="a.example"');
    assert.ok(!names(seen).some((name) => name.startsWith("x-forwarded-")));
  });

  test("grows in append and starts anew in replace", async () => {
    const text = request("GET /", 'Forwarded: for="[2001:db8::1]:4711";by=_x');
    const grown = await forward(text, policy({}));
    const own = 'for=127.0.0.1;proto=http;host="a.example"';
    assert.equal(grown.header("forwarded"), `for="[2001:db8::1]:4711";by=_x, ${own}`);
    const replaced = await forward(text, policy({ mode: "replace" }));
    assert.equal(replaced.header("forwarded"), own);
  });

  test("quotes IPv6 addresses", async () => {
    const requests: RawRequest[] = [];
    const listen = ["[::1]:0"];
    await using proxy = await startProxy({ origin: answering(ok(), requests), listen, ...policy({}) });
    const client = await proxy.connect({ host: "::1" });
    await client.exchange("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
    assert.equal(requests[0]?.header("forwarded"), 'for="[::1]";proto=http;host="[::1]:8080"');
    assert.equal(requests[0]?.header("x-forwarded-for"), "::1");
  });

  test("shows IPv4 clients of a socket for both kinds as IPv4", async () => {
    const requests: RawRequest[] = [];
    const forwarding = policy({ trustedProxies: ["127.0.0.1"] });
    await using proxy = await startProxy({
      origin: answering(ok(), requests),
      listen: ["[::]:0"],
      ...forwarding,
    });
    const client = await proxy.connect();
    await client.exchange(request("GET /", "X-Forwarded-For: 192.0.2.1"));
    assert.match(requests[0]?.header("forwarded") ?? "", /^for=127\.0\.0\.1;/);
    assert.equal(requests[0]?.header("x-forwarded-for"), "192.0.2.1, 127.0.0.1");
  });

  test("can't be injected into through Host", async () => {
    const hosts = [
      'a";for=evil',
      "a\\",
      "a b",
      "a,for=evil",
      "a/b",
      "user@a",
      'a"',
      "a\tb",
      "a<b",
      "[::1",
      "a:b",
    ];
    for (const host of hosts) {
      const requests: RawRequest[] = [];
      await using proxy = await startProxy({ origin: answering(ok(), requests), ...policy({}) });
      const client = await proxy.connect();
      const response = await client.exchange(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.equal(response.status, 400, host);
      assert.equal(requests.length, 0);
    }
  });

  test("what Host may hold stays inside of the quotes", async () => {
    const seen = await forward("GET / HTTP/1.1\r\nHost: a;for=evil\r\n\r\n", policy({}));
    assert.equal(seen.header("forwarded"), 'for=127.0.0.1;proto=http;host="a;for=evil"');
  });
});

describe("Via", () => {
  const via = policy({ mode: "off", via: "gate" });

  test("names us behind those before", async () => {
    assert.equal((await forward(request("GET /"), via)).header("via"), "1.1 gate");
    const seen = await forward(request("GET /", "Via: 1.0 fred, HTTP/1.1 p.example (x)"), via);
    assert.equal(seen.header("via"), "1.0 fred, HTTP/1.1 p.example (x), 1.1 gate");
    const old = await forward("GET / HTTP/1.0\r\nHost: a\r\n\r\n", via);
    assert.equal(old.header("via"), "1.0 gate");
  });

  test("with our name in it is a loop", async () => {
    for (const method of ["GET", "DELETE", "OPTIONS"]) {
      const requests: RawRequest[] = [];
      await using proxy = await startProxy({ origin: answering(ok(), requests), ...via });
      const client = await proxy.connect();
      const response = await client.exchange(request(`${method} /`, "Via: 1.0 fred", "Via: 1.1 gate (x)"));
      assert.equal(response.status, 508);
      assert.equal(requests.length, 0);
    }
  });

  test("with a name like ours is none", async () => {
    const seen = await forward(request("GET /", "Via: 1.1 gate2, 1.1 agate, 1.1 x-gate"), via);
    assert.equal(seen.header("via"), "1.1 gate2, 1.1 agate, 1.1 x-gate, 1.1 gate");
  });

  test("stops a proxy that is its own server", async () => {
    let port = 0;
    const upstreamPeer = (): HttpPeer => new HttpPeer(`127.0.0.1:${port}`);
    await using proxy = await startProxy({ ...via, phases: { upstreamPeer } });
    port = proxy.port;
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 508);
    assert.equal(proxy.count("requests"), 2);
  });
});

describe("Unix sockets", () => {
  test("tell no address", async () => {
    await using directory = await createTemporaryDirectory();
    const requests: RawRequest[] = [];
    await using origin = await startRawOrigin(answering(ok(), requests), { path: directory.join("server") });
    const upstreamPeer = (): HttpPeer => new HttpPeer(`unix:${directory.join("server")}`);
    const path = directory.join("proxy");
    await using _ = await startProxy({
      listen: [`unix:${path}`],
      maxConnectionsPerClient: 1,
      phases: { upstreamPeer },
      ...policy({ trustedProxies: ["10.0.0.1"] }),
    });
    await using client = await connectRaw({ path });
    await using another = await connectRaw({ path });
    for (const one of [client, another]) await one.exchange(request("GET /", "X-Forwarded-For: 192.0.2.1"));
    assert.equal(requests[0]?.header("x-forwarded-for"), "192.0.2.1, unknown");
    assert.match(requests[0]?.header("forwarded") ?? "", /^for=unknown;/);
    await another.exchange("GET / HTTP/1.0\r\n\r\n");
    assert.equal(requests.at(-1)?.header("host"), "localhost");
    assert.equal(origin.connections.length, 1);
  });
});

describe("Max-Forwards", () => {
  test("counts down for TRACE and OPTIONS", async () => {
    for (const method of ["TRACE", "OPTIONS"]) {
      const seen = await forward(request(`${method} /`, "Max-Forwards: 10"));
      assert.equal(seen.header("max-forwards"), "9");
    }
  });

  test("ends them at 0", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({ origin: answering(ok(), requests) });
    for (const method of ["TRACE", "OPTIONS"]) {
      const client = await proxy.connect();
      assert.equal((await client.exchange(request(`${method} /`, "Max-Forwards: 0"))).status, 405);
    }
    assert.equal(requests.length, 0);
  });

  test("means nothing to other methods", async () => {
    const seen = await forward(request("GET /", "Max-Forwards: 0"));
    assert.equal(seen.header("max-forwards"), "0");
  });
});

describe("request targets", () => {
  test("in absolute form go on in origin form, with their authority as Host", async () => {
    const targets: readonly (readonly [target: string, path: string, host: string])[] = [
      ["http://b.example/x?y", "/x?y", "b.example"],
      ["http://b.example:81/", "/", "b.example:81"],
      ["HTTP://b.example?q", "/?q", "b.example"],
      ["https://b.example", "/", "b.example"],
      ["http://[2001:db8::1]:80/z", "/z", "[2001:db8::1]:80"],
    ];
    for (const [target, path, host] of targets) {
      const seen = await forward(request(`GET ${target}`, "X: y"), policy({}));
      assert.equal(seen.target, path);
      assert.deepEqual(seen.headers[0], ["Host", host]);
      assert.equal(names(seen).filter((name) => name === "host").length, 1);
      assert.equal(seen.header("x-forwarded-host"), host);
    }
  });

  test("can be an asterisk for OPTIONS", async () => {
    assert.equal((await forward(request("OPTIONS *"))).target, "*");
    assert.equal((await forward(request("OPTIONS http://b.example"))).target, "*");
  });

  test("stay as they are, byte for byte", async () => {
    for (const target of ["/%2e%2E/..//a/./b;c=d", "/a?b?c=/../&%00", "//double/slash", "/'\"<>[]{}|\\^`"]) {
      assert.equal((await forward(request(`GET ${target}`))).target, target);
    }
  });

  test("of other kinds are refused", async () => {
    await using proxy = await startProxy({ origin: answering(ok()) });
    const targets = [
      "*",
      "a",
      "a.example:80",
      "ftp://a/",
      "http://",
      "http://u@a/",
      "/a#b",
      "/\u00e4",
      "http:///a",
    ];
    for (const target of targets) {
      const client = await proxy.connect();
      assert.equal((await client.exchange(request(`GET ${target}`))).status, 400, target);
    }
    assert.equal(proxy.origin.connections.length, 0);
  });
});

describe("messages of other versions", () => {
  test("HTTP/1.0 without a host is given one", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({ origin: answering(ok(), requests), ...policy({}) });
    const client = await proxy.connect();
    await client.exchange("GET / HTTP/1.0\r\n\r\n");
    assert.equal(requests[0]?.version, "HTTP/1.1");
    assert.equal(requests[0]?.header("host"), `127.0.0.1:${proxy.origin.port}`);
    assert.equal(requests[0]?.header("x-forwarded-host"), undefined);
    assert.equal(requests[0]?.header("forwarded"), "for=127.0.0.1;proto=http");
  });

  test("a host that a filter deletes is replaced by the server's", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({
      origin: answering(ok(), requests),
      phases: { upstreamRequestFilter: (_, { headers }) => void headers.delete("Host") },
    });
    const client = await proxy.connect();
    await client.exchange(request("GET /", "X: y"));
    assert.deepEqual(requests[0]?.headers, [
      ["X", "y"],
      ["Host", `127.0.0.1:${proxy.origin.port}`],
    ]);
  });

  test("a later HTTP/1 is HTTP/1.1", async () => {
    const seen = await forward("GET / HTTP/1.7\r\nHost: a\r\n\r\n");
    assert.equal(seen.version, "HTTP/1.1");
  });

  test("an empty host is a host", async () => {
    const seen = await forward("GET / HTTP/1.1\r\nHost:\r\n\r\n");
    assert.deepEqual(seen.headers, [["Host", ""]]);
  });

  test("responses are ours to date when they have no date", async () => {
    await using proxy = await startProxy({ origin: answering(ok()) });
    const client = await proxy.connect();
    const response = await client.exchange(request("GET /"));
    const date = Date.parse(response.header("date") ?? "");
    assert.ok(Math.abs(Date.now() - date) < 5000, String(date));
  });
});
