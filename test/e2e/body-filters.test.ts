import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import type { BodyFilter, ProxyPhases } from "../../src/proxy/phases.ts";
import { until } from "../kit/deadline.ts";
import { PatternVerifier, patternBytes } from "../kit/pattern.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { answering, ok, readPattern, request, startProxy, writePattern } from "./proxy.ts";

const MB = 1024 * 1024;

/** A filter for both directions, with the length left open. */
function both(filter: BodyFilter<undefined>): Partial<ProxyPhases> {
  return {
    upstreamRequestFilter: (_, { headers }) => void headers.delete("content-length"),
    requestBodyFilter: filter,
    responseFilter: (_, { headers }) => void headers.delete("content-length"),
    responseBodyFilter: filter,
  };
}

/** What a body becomes on its way to the server, and back. */
async function throughFilters(
  phases: Partial<ProxyPhases>,
  chunks: readonly string[],
): Promise<{ up: string; down: string; framing: string }> {
  const requests: RawRequest[] = [];
  const text = `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("")}0\r\nX-T: 1\r\n\r\n`;
  await using proxy = await startProxy({
    origin: answering(async (_, connection) => {
      void connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      await connection.writePieces(text, [4, 9]);
      return undefined;
    }, requests),
    phases,
  });
  const client = await proxy.connect();
  for (let i = 0; i < 2; i++) {
    void client.writePieces(request("POST /", "Transfer-Encoding: chunked") + text, [80, 90, 95]);
    const { body, framing, trailers } = await client.readResponse();
    assert.deepEqual(trailers, [["X-T", "1"]]);
    assert.deepEqual(requests.at(-1)?.trailers, [["X-T", "1"]]);
    if (i === 1) return { up: String(requests.at(-1)?.body), down: body.toString(), framing };
  }
  return assert.fail();
}

test("a filter of the request's body can read a response that came early", async () => {
  const seen: (string | null | undefined)[] = [];
  await using proxy = await startProxy({
    origin: async (connection) => {
      await connection.readHead();
      await connection.write("HTTP/1.1 200 OK\r\nX-A: early\r\nTransfer-Encoding: chunked\r\n\r\n");
      await connection.readUntil("hello");
      await connection.write("0\r\n\r\n");
    },
    phases: {
      requestBodyFilter: ({ response }, chunk) => {
        if (chunk !== null) seen.push(response?.headers.get("x-a"));
      },
    },
  });
  const client = await proxy.connect();
  void client.write(request("POST /", "Content-Length: 10"));
  assert.match(await client.readHead(), /X-A: early/);
  await client.write("hello");
  await until("it is filtered", () => seen.length > 0);
  client.destroy();
  assert.deepEqual(seen, ["early"]);
});

describe("a body filter", () => {
  const chunks = ["one ", "two ", "three"];

  const filters: Record<string, readonly [filter: BodyFilter<undefined>, result: string]> = {
    "lets pass": [() => undefined, "one two three"],
    changes: [(_, chunk) => chunk?.toString().toUpperCase(), "ONE TWO THREE"],
    "changes in place": [(_, chunk) => void chunk?.fill("x"), "xxxxxxxxxxxxx"],
    "answers with bytes": [
      (_, chunk) => (chunk === null ? undefined : Uint8Array.from(chunk).reverse()),
      "*",
    ],
    drops: [(_, chunk) => (chunk?.includes("o") ? null : undefined), "*"],
    "drops all": [() => null, ""],
    "adds at the end": [(_, __, isEnd) => (isEnd ? "!" : undefined), "one two three!"],
    "sends nothing for it": [() => "", ""],
    "keeps it to the end": [keeper(), "one two three"],
    delays: [(_, chunk) => (chunk === null ? undefined : { delay: 5 }), "one two three"],
    "delays and changes": [
      (_, chunk) => ({ delay: 1, body: chunk?.toString().toUpperCase() ?? null }),
      "ONE TWO THREE",
    ],
    "delays and drops": [() => ({ delay: 1, body: null }), ""],
    "delays by nothing": [() => ({ delay: 0 }), "one two three"],
  };

  function keeper(): BodyFilter<undefined> {
    const kept = new WeakMap<object, Buffer[]>();
    return (session, chunk, isEnd) => {
      const chunks = kept.getOrInsertComputed(session, () => []);
      if (chunk !== null) chunks.push(chunk);
      if (!isEnd) return null;
      const whole = Buffer.concat(chunks);
      chunks.length = 0;
      return whole;
    };
  }

  for (const [name, [filter, result]] of Object.entries(filters)) {
    for (const isAsync of [false, true]) {
      test(`${name}${isAsync ? ", later" : ""}`, async () => {
        const applied: BodyFilter<undefined> = isAsync
          ? async (session, chunk, isEnd) => {
              await nextTurn();
              return await filter(session, chunk, isEnd);
            }
          : filter;
        const { up, down, framing } = await throughFilters(both(applied), chunks);
        assert.equal(framing, "chunked");
        // Where the result depends on how the bytes were cut, both directions saw different ones.
        if (result !== "*") assert.deepEqual([up, down], [result, result]);
      });
    }
  }

  test("comes before the next one, which sees what it made and what it added", async () => {
    for (const isAsync of [false, true]) {
      const seen: (string | null)[] = [];
      const { down } = await throughFilters(
        {
          upstreamResponseBodyFilter: (_, chunk, isEnd) => {
            const made = isEnd ? "tail" : `<${chunk}>`;
            return isAsync ? nextTurn(made) : made;
          },
          responseBodyFilter: (_, chunk, isEnd) => {
            assert.equal(chunk === null, isEnd);
            seen.push(chunk === null ? null : chunk.toString());
            return isEnd ? "!" : undefined;
          },
        },
        ["abc"],
      );
      assert.match(down, /^<.*>tail!$/);
      assert.deepEqual(seen.slice(-2), ["tail", null]);
    }
  });

  test("gets chunks that are its own", async () => {
    const kept: Buffer[] = [];
    const size = 4 * MB;
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        void connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        await writePattern(connection, size);
      },
      phases: { responseBodyFilter: (_, chunk) => void (chunk !== null && kept.push(chunk)) },
    });
    const client = await proxy.connect();
    await client.exchange(request("GET /"));
    const verifier = new PatternVerifier();
    for (const chunk of kept) verifier.write(chunk);
    assert.equal(verifier.offset, size);
  });

  test("isn't asked about what has no body", async () => {
    let calls = 0;
    const answers = [
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    ];
    answers.push("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    await using proxy = await startProxy({
      origin: answering(() => answers.shift()),
      phases: {
        responseBodyFilter: () => {
          calls++;
          return "x";
        },
      },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 204);
    assert.equal((await client.exchange(request("GET /"))).header("content-length"), "5");
    const head = await client.exchange(request("HEAD /"), { method: "HEAD" });
    assert.equal(head.header("content-length"), "5");
    assert.equal(client.unread.length, 0);
    assert.equal(calls, 0);
  });

  test("can't give a body to a request that has none", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({
      origin: answering(ok(), requests),
      phases: {
        requestFilter: async (session) => void (await session.readBody()),
        requestBodyFilter: () => assert.fail(),
      },
    });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) {
      assert.equal((await client.exchange(request("GET /"))).status, 200);
      assert.equal(requests[i]?.framing, "none");
    }
  });
});

describe("a length that filters don't keep", () => {
  test("is an error to the client, and no whole request to the server", async () => {
    for (const filter of [() => "longer than it", () => "-", () => null] as BodyFilter<undefined>[]) {
      for (const isAsync of [false, true]) {
        await using proxy = await startProxy({
          origin: async (connection) => void (await connection.readRequest()),
          phases: {
            requestBodyFilter: (session, chunk, isEnd) => {
              const made = isEnd ? undefined : filter(session, chunk, isEnd);
              return isAsync ? nextTurn(made as undefined) : made;
            },
          },
        });
        const client = await proxy.connect();
        const response = await client.exchange(`${request("PUT /", "Content-Length: 5")}hello`);
        assert.equal(response.status, 500);
        assert.equal(proxy.reported[0]?.error.code, "BODY_LENGTH_MISMATCH");
        const seen = await proxy.origin.outcome(0);
        assert.match(String(seen), /short of 5|ended/);
        // The client's connection goes on.
        void client.write(request("GET /"));
        await until("it is asked", () => proxy.count("requestsActive") === 1);
      }
    }
  });

  test("is a cut response, never a malformed or a whole one", async () => {
    for (const made of ["longer than it", "-", null]) {
      for (const isAsync of [false, true]) {
        await using proxy = await startProxy({
          origin: answering(ok("hello")),
          phases: {
            responseBodyFilter: (_, __, isEnd) => {
              const result = isEnd ? undefined : made;
              return isAsync ? nextTurn(result) : result;
            },
          },
        });
        const client = await proxy.connect();
        void client.write(request("GET /") + request("GET /"));
        await assert.rejects(client.readResponse(), /ended|reset/);
        assert.equal(proxy.reported[0]?.error.code, "BODY_LENGTH_MISMATCH");
      }
    }
  });

  test("is kept when it is declared anew", async () => {
    const requests: RawRequest[] = [];
    const twice: BodyFilter<undefined> = (_, chunk) => (chunk === null ? undefined : `${chunk}${chunk}`);
    await using proxy = await startProxy({
      origin: answering(ok("hello"), requests),
      phases: {
        upstreamRequestFilter: (_, { headers }) => headers.set("Content-Length", "10"),
        requestBodyFilter: twice,
        upstreamResponseFilter: (_, { headers }) => headers.set("Content-Length", "10"),
        upstreamResponseBodyFilter: twice,
      },
    });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) {
      const response = await client.exchange(`${request("PUT /", "Content-Length: 5")}abcde`);
      assert.deepEqual([response.framing, response.body.toString()], ["length", "hellohello"]);
      assert.deepEqual([requests[i]?.framing, requests[i]?.body.toString()], ["length", "abcdeabcde"]);
    }
  });
});

describe("a filter that takes its time", () => {
  test("slows the sender down, and every byte arrives", async () => {
    const size = 8 * MB;
    let waiting = 0;
    let most = 0;
    const slow: BodyFilter<undefined> = async () => {
      most = Math.max(most, ++waiting);
      await nextTurn();
      waiting--;
      return undefined;
    };
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        void connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        await Promise.all([readPattern(connection, size, 1), writePattern(connection, size - 1, 2)]);
        void connection.write(patternBytes(1, size - 1, 2));
      },
      phases: { requestBodyFilter: slow, upstreamResponseBodyFilter: slow, responseBodyFilter: slow },
    });
    const client = await proxy.connect();
    void client.write(request("POST /", `Content-Length: ${size}`));
    await client.readHead();
    await Promise.all([writePattern(client, size, 1), readPattern(client, size, 2)]);
    // One chunk at a time in each direction.
    assert.ok(most <= 2, `${most} at once`);
  });

  test("holds back no other session, and is forgotten with its own", async () => {
    const { promise: go, resolve: letGo } = Promise.withResolvers<undefined>();
    await using proxy = await startProxy({
      origin: answering(ok("hello")),
      phases: {
        responseBodyFilter: ({ request: { path } }) => {
          if (path === "/never") return go;
          return path === "/delayed" ? { delay: 3_600_000 } : undefined;
        },
      },
    });
    const stuck = [await proxy.connect(), await proxy.connect()];
    void stuck[0]?.write(request("GET /never"));
    void stuck[1]?.write(request("GET /delayed"));
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).body.toString(), "hello");
    await until("they are stuck", () => proxy.count("requestsActive") === 2);
    for (const one of stuck) one.reset();
    await proxy.settled(1);
    letGo(undefined);
    await delay(1);
    assert.equal((await client.exchange(request("GET /"))).body.toString(), "hello");
  });

  test("throttles by its delays", async () => {
    await using proxy = await startProxy({
      origin: answering(async (_, connection) => {
        void connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        for (const byte of "hello") {
          await connection.write(byte);
          await nextTurn();
        }
        return undefined;
      }),
      phases: { responseBodyFilter: (_, chunk) => ({ delay: (chunk?.length ?? 0) * 20 }) },
    });
    const client = await proxy.connect();
    const begin = performance.now();
    assert.equal((await client.exchange(request("GET /"))).body.toString(), "hello");
    assert.ok(performance.now() - begin >= 90);
  });
});

describe("a filter that fails", () => {
  const failures: Record<string, BodyFilter<undefined>> = {
    "by an error": () => {
      throw new Error("broken");
    },
    "by an error later": () => Promise.reject(new Error("broken")),
    "by a number": () => 5 as unknown as undefined,
    "by an object": () => ({}) as unknown as undefined,
    "by an object later": async () => ({ no: "body" }) as unknown as undefined,
    "by a delayed number": () => ({ delay: 1, body: 5 as unknown as string }),
  };

  for (const [name, filter] of Object.entries(failures)) {
    test(`${name} is a 500, or a cut response`, async () => {
      for (const where of ["requestBodyFilter", "responseBodyFilter"] as const) {
        await using proxy = await startProxy({ origin: answering(ok("hello")), phases: { [where]: filter } });
        const client = await proxy.connect();
        const exchange = client.exchange(`${request("PUT /", "Content-Length: 5")}hello`);
        if (where === "requestBodyFilter") {
          assert.equal((await exchange).status, 500);
          assert.equal((await client.exchange(`${request("PUT /", "Content-Length: 5")}hello`)).status, 500);
        } else await assert.rejects(exchange, /ended|reset/);
        await proxy.origin.connections[0]?.closed;
        assert.equal(proxy.reported[0]?.error.code, "FILTER_FAILED");
      }
    });
  }

  test("of trailers cuts the response", async () => {
    await using proxy = await startProxy({
      origin: answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n"),
      phases: {
        responseTrailerFilter: () => {
          throw new Error("broken");
        },
      },
    });
    const client = await proxy.connect();
    await assert.rejects(client.exchange(request("GET /")), /ended|reset/);
  });

  test("of trailers may change them, and no more", async () => {
    await using proxy = await startProxy({
      origin: answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n"),
      phases: {
        upstreamResponseTrailerFilter: (_, trailers) => {
          trailers.delete("X-T");
          trailers.set("X-U", "2");
          trailers.set("Content-Length", "5");
        },
        responseTrailerFilter: (_, trailers) => {
          assert.throws(() => trailers.set("X-V", "a\r\nb"), TypeError);
          trailers.append("X-U", "3");
        },
      },
    });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) {
      const { body, trailers } = await client.exchange(request("GET /"));
      assert.deepEqual(
        [body.toString(), trailers],
        [
          "a",
          [
            ["X-U", "2"],
            ["X-U", "3"],
          ],
        ],
      );
    }
  });
});
