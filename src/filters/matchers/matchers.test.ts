import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { createSession, type SessionInit } from "../../../test/kit/session.ts";
import { PeerCertificate } from "../../net/tls/digest.ts";
import { canonicalHost } from "../canonical-host.ts";
import { ClientAddresses } from "../client-addresses.ts";
import type { Match } from "../settings.ts";
import { compileMatch, looksAtPath } from "./combine.ts";
import { Subject } from "./subject.ts";

function matches(match: Match, init: SessionInit): boolean {
  const subject = new Subject(new ClientAddresses([]));
  const { session } = createSession<unknown>(init);
  subject.begin(session);
  subject.path = session.request.path;
  return compileMatch(match)(subject);
}

function check(match: Match, yes: readonly SessionInit[], no: readonly SessionInit[]): void {
  for (const init of yes) assert.equal(matches(match, init), true, JSON.stringify(init));
  for (const init of no) assert.equal(matches(match, init), false, JSON.stringify(init));
}

describe("method", () => {
  test("is one of some, in exactly that spelling", () => {
    const [GET, PUT, get] = ["GET", "PUT", "get"].map((method) => ({ method }));
    check({ kind: "method", methods: ["GET"] }, [GET!], [PUT!, get!]);
    check({ kind: "method", methods: ["GET", "PUT"] }, [GET!, PUT!], [get!, { method: "POST" }]);
  });
});

describe("host", () => {
  test("is compared without case, port and final dot", () => {
    const match = { kind: "host", hosts: ["a.example"] } as const;
    const yes = ["a.example", "A.Example", "a.example:8080", "a.example.", "a.example.:80", "a.example:"];
    check(
      match,
      yes.map((host) => ({ host })),
      ["b.example", "xa.example", "a.example.b", ""].map((host) => ({ host })),
    );
    assert.equal(canonicalHost("[::1]:80"), "[::1]");
  });

  test("may be one of several, and of a wildcard's", () => {
    const match = { kind: "host", hosts: ["a.example", "b.example", "*.c.example"] } as const;
    const yes = ["a.example", "b.example", "x.c.example", "X.Y.c.example:1"];
    check(
      match,
      yes.map((host) => ({ host })),
      ["c.example", ".c.example", "xc.example"].map((host) => ({ host })),
    );
  });
});

describe("path", () => {
  const targets = (...all: readonly string[]): SessionInit[] => all.map((target) => ({ target }));

  test("exact is nothing else", () => {
    check(
      { kind: "path", paths: [{ kind: "exact", path: "/up" }] },
      targets("/up", "/up?x=/"),
      targets("/up/", "/Up", "/"),
    );
  });

  test("a prefix ends where a segment does", () => {
    const match = { kind: "path", paths: [{ kind: "prefix", path: "/api" }] } as const;
    check(match, targets("/api", "/api/", "/api/v1", "/api?x"), targets("/apis", "/ap", "/x/api"));
    const below = { kind: "path", paths: [{ kind: "prefix", path: "/api/" }] } as const;
    check(below, targets("/api/", "/api/v1"), targets("/api", "/apis/"));
    check({ kind: "path", paths: [{ kind: "prefix", path: "/" }] }, targets("/", "/x"), [
      { method: "OPTIONS", target: "*" },
    ]);
  });

  test("a regular expression is looked for anywhere", () => {
    const match = { kind: "path", paths: [{ kind: "regex", pattern: "\\.(?:png|jpg)$" }] } as const;
    check(match, targets("/a.png", "/x/y.jpg?z"), targets("/a.png/", "/apng"));
  });

  test("several are alternatives", () => {
    const paths = [
      { kind: "exact", path: "/a" },
      { kind: "exact", path: "/b" },
      { kind: "prefix", path: "/c" },
      { kind: "regex", pattern: "^/d+$" },
    ] as const;
    check({ kind: "path", paths }, targets("/a", "/b", "/c/x", "/ddd"), targets("/a/", "/cc", "/dx"));
    check({ kind: "path", paths: paths.slice(0, 2) }, targets("/a", "/b"), targets("/c"));
  });
});

describe("header", () => {
  const headers = (...lines: readonly string[]): SessionInit => ({ headers: lines });

  test("is there or not", () => {
    const name = "X-Key";
    check(
      { kind: "header", name, test: { kind: "present" } },
      [headers("x-key: 1"), headers("X-Key:")],
      [headers("X-Keys: 1")],
    );
    check({ kind: "header", name, test: { kind: "absent" } }, [headers()], [headers("x-key: 1")]);
  });

  test("equals a value, as a whole, in one of its lines or as a member of a list", () => {
    const match = { kind: "header", name: "x-env", test: { kind: "equals", value: "prod" } } as const;
    check(
      match,
      [headers("X-Env: prod"), headers("x-env: dev", "x-env: prod"), headers("x-env: dev , prod")],
      [headers("x-env: Prod"), headers("x-env: production"), headers("x-env: a prod"), headers()],
    );
    const list = { kind: "header", name: "x-a", test: { kind: "equals", value: "b, c" } } as const;
    check(list, [headers("x-a: b, c"), headers("x-a: b", "x-a: c")], [headers("x-a: b")]);
  });

  test("has no case where its definition says so", () => {
    const match = { kind: "header", name: "Connection", test: { kind: "equals", value: "Upgrade" } } as const;
    const upgrade = "Upgrade: websocket";
    check(
      match,
      [headers("connection: upgrade", upgrade), headers("Connection: keep-alive, UPGRADE", upgrade)],
      [headers("Connection: keep-alive")],
    );
  });

  test("is matched by a regular expression, line by line", () => {
    const match = { kind: "header", name: "user-agent", test: { kind: "regex", pattern: "^curl/" } } as const;
    check(
      match,
      [headers("User-Agent: curl/8"), headers("User-Agent: x", "User-Agent: curl/8")],
      [headers("User-Agent: xcurl/8")],
    );
  });
});

describe("query", () => {
  const targets = (...all: readonly string[]): SessionInit[] => all.map((target) => ({ target }));

  test("has a parameter or not", () => {
    check(
      { kind: "query", name: "a b", test: { kind: "present" } },
      targets("/?a+b", "/?x&a%20b=1"),
      targets("/", "/?ab"),
    );
    check(
      { kind: "query", name: "a", test: { kind: "absent" } },
      targets("/", "/?", "/?b"),
      targets("/?a", "/?%61=1"),
    );
  });

  test("has a value, in one of the parameters of that name", () => {
    const match = { kind: "query", name: "v", test: { kind: "equals", value: "2" } } as const;
    check(match, targets("/?v=2", "/?v=1&v=2", "/?v=%32"), targets("/?v=22", "/?v", "/?w=2", "/?V=2"));
    const regex = { kind: "query", name: "v", test: { kind: "regex", pattern: "^[23]$" } } as const;
    check(regex, targets("/?v=3"), targets("/?v=4"));
  });
});

describe("client", () => {
  test("is in a range", () => {
    const match = { kind: "client", ranges: ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"] } as const;
    const clients = (...all: readonly string[]): SessionInit[] =>
      all.map((address) => ({ client: { address } }));
    check(
      match,
      clients("10.1.2.3", "2001:db8::1", "192.0.2.7", "::ffff:10.0.0.1"),
      clients("11.0.0.1", "2001:db9::1", "192.0.2.8", "", "::ffff:11.0.0.1", "fe80::1%eth0"),
    );
  });
});

describe("client certificate", async () => {
  const authority = await createAuthority();
  const shown = async (commonName: string, ...names: string[]): Promise<SessionInit> => {
    const { cert } = await authority.issue({ commonName, names });
    const peerCertificate = new PeerCertificate(new X509Certificate(cert));
    const plain = { version: "TLSv1.3", cipher: "", group: "", serverName: "", alpn: "", resumed: false };
    return { client: { tls: { ...plain, peerCertificate } } };
  };
  const [alice, bob] = [await shown("alice", "alice.test", "10.0.0.1"), await shown("bob", "bob.test")];
  const none: SessionInit = { client: { tls: null } };

  test("is there, or isn't", () => {
    check({ kind: "clientCertificate", test: { kind: "present" } }, [alice, bob], [none, {}]);
    check({ kind: "clientCertificate", test: { kind: "absent" } }, [none, {}], [alice, bob]);
  });

  test("has a name", () => {
    for (const value of ["alice", "alice.test"]) {
      check({ kind: "clientCertificate", test: { kind: "equals", value } }, [alice], [bob, none]);
    }
    check({ kind: "clientCertificate", test: { kind: "equals", value: "10.0.0.1" } }, [], [alice]);
    check({ kind: "clientCertificate", test: { kind: "regex", pattern: "\\.test$" } }, [alice, bob], [none]);
    const nameless = { kind: "clientCertificate", test: { kind: "regex", pattern: "^$" } } as const;
    check(nameless, [], [alice, none]);
  });
});

describe("websocket", () => {
  test("is asked for by Connection and Upgrade", () => {
    const upgrade = (connection: string, protocol: string): SessionInit => ({
      headers: [`Connection: ${connection}`, `Upgrade: ${protocol}`],
    });
    const yes = [
      upgrade("Upgrade", "websocket"),
      upgrade("keep-alive, upgrade", "WebSocket"),
      upgrade("upgrade", "x, websocket"),
    ];
    const no = [
      upgrade("keep-alive", "websocket"),
      upgrade("Upgrade", "h2c"),
      upgrade("Upgrade", "websockets"),
      {},
    ];
    check({ kind: "websocket", wanted: true }, yes, no);
    check({ kind: "websocket", wanted: false }, no, yes);
  });
});

describe("combinations", () => {
  const get: Match = { kind: "method", methods: ["GET"] };
  const up: Match = { kind: "path", paths: [{ kind: "exact", path: "/up" }] };
  const key: Match = { kind: "header", name: "x-key", test: { kind: "present" } };
  const truth = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({
    init: {
      method: (bits & 1) !== 0 ? "GET" : "PUT",
      target: (bits & 2) !== 0 ? "/up" : "/",
      headers: (bits & 4) !== 0 ? ["x-key: 1"] : [],
    },
    facts: [(bits & 1) !== 0, (bits & 2) !== 0, (bits & 4) !== 0] as const,
  }));

  test("of any size are what logic says, whatever the order they are asked in", () => {
    for (const count of [1, 2, 3]) {
      const of: Match[] = [key, up, get].slice(3 - count);
      for (const { init, facts } of truth) {
        const asked = facts.slice(0, count);
        assert.equal(matches({ kind: "all", of }, init), asked.every(Boolean));
        assert.equal(matches({ kind: "any", of }, init), asked.some(Boolean));
        assert.equal(matches({ kind: "not", of: { kind: "any", of } }, init), !asked.some(Boolean));
      }
    }
  });

  test("know whether a path matters", () => {
    assert.equal(
      looksAtPath({ kind: "all", of: [get, { kind: "not", of: { kind: "any", of: [key, up] } }] }),
      true,
    );
    assert.equal(looksAtPath({ kind: "all", of: [get, { kind: "not", of: key }] }), false);
  });
});
