import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { connectHttp1, type Http1Client } from "../../test/kit/http1-client.ts";
import { type RawConnection, startRawOrigin } from "../../test/kit/raw-origin.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const head = { requestLine: 200, bytes: 1000, fields: 10 };

async function withServer(
  run: (client: Http1Client, server: RawConnection) => Promise<void>,
  settings: Parameters<typeof connectHttp1>[1] = {},
): Promise<void> {
  await using origin = await startRawOrigin(() => {});
  const client = await connectHttp1(origin.port, settings);
  try {
    await run(client, await origin.connection(0));
  } finally {
    client.connection.transport.destroy();
    await client.gone;
  }
}

/** Sends a request, has it answered by these bytes and the close, and returns what became of it. */
async function outcomeOf(
  bytes: string,
  close: "end" | "reset",
): Promise<{ events: string[]; code?: string; retry?: string; reusable: number }> {
  let result: Awaited<ReturnType<typeof outcomeOf>> | null = null;
  await withServer(async (client, server) => {
    const outcome = client.send();
    await server.readRequest();
    if (bytes !== "") await server.write(bytes);
    if (close === "reset") await delay(5);
    server[close]();
    await outcome.done;
    await client.gone;
    await delay(1);
    const { error, events } = outcome;
    result = { events, reusable: client.reusable, ...(error && { code: error.code, retry: error.retry }) };
  });
  return result!;
}

describe("a response that breaks off", () => {
  const messages: Record<string, string> = {
    length: OK,
    chunked: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
    interim: `HTTP/1.1 100 Continue\r\n\r\n${OK}`,
  };
  for (const [name, bytes] of Object.entries(messages)) {
    test(`is never taken for a whole one (${name})`, async () => {
      for (let cut = 0; cut < bytes.length; cut++) {
        const { events, code, retry, reusable } = await outcomeOf(bytes.slice(0, cut), "end");
        assert.equal(code, "UPSTREAM_CLOSED", `cut at ${cut}`);
        assert.equal(events.filter((event) => event === "error").length, 1);
        assert.ok(!events.includes("end"), `cut at ${cut}: ${events}`);
        assert.equal(reusable, 0);
        // Nothing came: the server may just have closed an idle connection. Anything at all: it has acted.
        assert.equal(retry, cut === 0 ? "reused" : "no", `cut at ${cut}`);
      }
    });
  }

  test("by a reset is an error even where an end would be the end", async () => {
    const { events, code, retry } = await outcomeOf("HTTP/1.1 200 OK\r\n\r\npart", "reset");
    assert.deepEqual([events, code, retry], [["head", "error"], "UPSTREAM_RESET", "no"]);
    assert.deepEqual((await outcomeOf("HTTP/1.1 200 OK\r\n\r\nall", "end")).events, ["head", "end"]);
    assert.deepEqual((await outcomeOf("", "reset")).code, "UPSTREAM_RESET");
  });
});

describe("a response against the rules", () => {
  const bad: Record<string, string> = {
    "no HTTP": "SSH-2.0-OpenSSH\r\n",
    "HTTP/2": "HTTP/2 200\r\n\r\n",
    "two framings": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "an unknown coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "chunks in HTTP/1.0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a bare line feed": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "folded fields": "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "a large head": `HTTP/1.1 200 OK\r\nX: ${"x".repeat(1000)}\r\n\r\n`,
    "a head without end": `HTTP/1.1 200 OK\r\nX: ${"x".repeat(1000)}`,
    "too many interim responses": "HTTP/1.1 100 Continue\r\n\r\n".repeat(33),
  };
  for (const [name, bytes] of Object.entries(bad)) {
    test(`is an error: ${name}`, async () => {
      for (const isInPieces of [false, true]) {
        await withServer(
          async (client, server) => {
            const outcome = client.send();
            await server.readRequest();
            // The client hangs up before all of it is written.
            server.writePieces(bytes, isInPieces ? Array.from(bytes, (_, i) => i) : []).catch(() => {});
            await outcome.done;
            assert.equal(outcome.error?.code, "UPSTREAM_BAD_RESPONSE");
            assert.equal(outcome.error.retry, "no");
            assert.equal(client.connection.usable, false);
            await client.gone;
            assert.equal(client.reusable, 0);
            assert.equal(outcome.events.at(-1), "error");
          },
          { head },
        );
      }
    });
  }

  test("interim responses up to a number are fine", async () => {
    await withServer(async (client, server) => {
      const outcome = client.send();
      await server.readRequest();
      void server.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(32) + OK);
      assert.equal((await outcome.done).interim.length, 32);
      assert.equal(outcome.body, "ok");
    });
  });
});

describe("what a server says when nobody asked it", () => {
  test("closes an idle connection", async () => {
    for (const bytes of ["x", OK, "\r\n", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"]) {
      await withServer(async (client, server) => {
        const outcome = client.send();
        await server.readRequest();
        void server.write(OK);
        await outcome.done;
        assert.equal(client.connection.usable, true);
        void server.write(bytes);
        await client.gone;
        assert.equal(client.connection.usable, false);
        assert.deepEqual(outcome.events, ["head", "end"]);
      });
    }
  });

  test("is no answer to a request that isn't sent yet, which may go elsewhere", async () => {
    await withServer(async (client, server) => {
      const outcome = client.begin();
      void server.write(OK);
      await outcome.done;
      assert.deepEqual([outcome.error?.code, outcome.error?.retry], ["UPSTREAM_CLOSED", "yes"]);
      client.sendHead();
      client.connection.sendEnd(null);
      await client.gone;
      assert.equal((await server.readToEnd()).length, 0);
    });
  });

  test("that it ends leaves nothing usable, and a request that waits may go elsewhere", async () => {
    await withServer(async (client, server) => {
      server.end();
      await client.gone;
      assert.equal(client.connection.usable, false);
    });
    await withServer(async (client, server) => {
      const outcome = client.begin();
      server.end();
      await outcome.done;
      assert.deepEqual([outcome.error?.code, outcome.error?.retry], ["UPSTREAM_CLOSED", "yes"]);
    });
  });
});

describe("a request that is given up", () => {
  test("is heard of no more, whenever that is", async () => {
    const moments = ["onHead", "onBody"] as const;
    for (const moment of moments) {
      await withServer(async (client, server) => {
        const outcome = client.send();
        outcome[moment] = () => {
          client.connection.abort();
          outcome[moment] = null;
        };
        await server.readRequest();
        void server.write(OK + OK);
        await client.gone;
        await delay(5);
        assert.deepEqual(outcome.events, ["head"]);
        assert.equal(client.reusable, 0);
        assert.equal(client.connection.usable, false);
      });
    }
    await withServer(async (client, server) => {
      const outcome = client.send();
      await server.readRequest();
      client.connection.abort();
      assert.equal(client.connection.usable, false);
      await client.gone;
      assert.deepEqual(outcome.events, []);
    });
  });
});

describe("timeouts", () => {
  test("of the first byte run from the end of the request", async () => {
    await withServer(
      async (client, server) => {
        const outcome = client.begin();
        client.sendHead({ method: "POST", length: 3 });
        await delay(350);
        assert.equal(outcome.error, null);
        client.connection.sendBody(Buffer.from("abc"), 0, 3);
        client.connection.sendEnd(null);
        await server.readRequest();
        assert.equal((await outcome.done).error?.code, "UPSTREAM_FIRST_BYTE_TIMEOUT");
        await client.gone;
      },
      { firstByteTimeout: 150 },
    );
  });

  test("of the first byte run anew after an interim response", async () => {
    await withServer(
      async (client, server) => {
        const outcome = client.send();
        await server.readRequest();
        for (let i = 0; i < 4; i++) {
          await delay(120);
          void server.write("HTTP/1.1 102 Processing\r\n\r\n");
        }
        void server.write(OK);
        assert.equal((await outcome.done).body, "ok");
      },
      { firstByteTimeout: 400 },
    );
  });

  test("of reading run between two reads, not while we don't read", async () => {
    await withServer(
      async (client, server) => {
        const outcome = client.send();
        await server.readRequest();
        void server.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for (let i = 0; i < 4; i++) {
          await delay(100);
          void server.write("x");
        }
        await until("they came", () => outcome.body === "xxxx");
        client.connection.pauseResponse();
        await delay(800);
        assert.equal(outcome.error, null);
        client.connection.resumeResponse();
        assert.equal((await outcome.done).error?.code, "UPSTREAM_READ_TIMEOUT");
      },
      { readTimeout: 400 },
    );
  });

  test("don't run while the connection is idle", async () => {
    await withServer(
      async (client, server) => {
        const outcome = client.send();
        await server.readRequest();
        void server.write(OK);
        await outcome.done;
        await delay(400);
        assert.equal(client.connection.usable, true);
        const next = client.send();
        await server.readRequest();
        void server.write(OK);
        assert.equal((await next.done).body, "ok");
      },
      { readTimeout: 100, firstByteTimeout: 100, writeTimeout: 100 },
    );
  });

  test("of writing run while the server takes nothing", async () => {
    await withServer(
      async (client, server) => {
        server.pause();
        const outcome = client.begin();
        client.sendHead({ method: "POST", length: "unknown" });
        const piece = Buffer.alloc(256 * 1024);
        while (!outcome.events.includes("blocked")) {
          client.connection.sendBody(piece, 0, piece.length);
          await new Promise((resolve) => setImmediate(resolve));
        }
        assert.equal(client.connection.blocked, true);
        assert.equal((await outcome.done).error?.code, "UPSTREAM_WRITE_TIMEOUT");
        await client.gone;
      },
      { writeTimeout: 200 },
    );
  });
});
