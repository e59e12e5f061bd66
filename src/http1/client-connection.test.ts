import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { connectHttp1, type Http1Client, type Outcome } from "../../test/kit/http1-client.ts";
import { type RawConnection, startRawOrigin } from "../../test/kit/raw-origin.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import type { ByteSink } from "../http/streams.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A connection to a server that does what the test says. */
async function withOrigin(
  script: (connection: RawConnection) => Promise<void> | void,
  run: (client: Http1Client, server: RawConnection) => Promise<void>,
  settings: Parameters<typeof connectHttp1>[1] = {},
): Promise<void> {
  await using origin = await startRawOrigin(script);
  const client = await connectHttp1(origin.port, settings);
  try {
    await run(client, await origin.connection(0));
  } finally {
    client.connection.transport.destroy();
    await client.gone;
  }
}

/** Answers every request with the same bytes, cut anywhere. */
function answering(
  bytes: string,
  cuts: readonly number[] = [],
): (connection: RawConnection) => Promise<void> {
  return async (connection) => {
    for (;;) {
      await connection.readRequest();
      await connection.writePieces(bytes, cuts);
    }
  };
}

const nothing = (): void => {};

describe("requests over one connection", () => {
  test("follow each other, and each is told apart", async () => {
    await withOrigin(answering(OK), async (client) => {
      for (let i = 1; i <= 3; i++) {
        assert.equal(client.connection.usable, true);
        const outcome = await client.send().done;
        assert.deepEqual([outcome.status, outcome.body, outcome.events], [200, "ok", ["head", "end"]]);
        assert.equal(client.reusable, i);
        assert.equal(client.connection.reused, i > 1);
      }
    });
  });

  test("are framed each by itself", async () => {
    await withOrigin(nothing, async (client, server) => {
      const requests = [
        {
          method: "POST",
          body: "abc",
          length: "unknown" as const,
          trailers: HttpHeaders.from({ "X-T": "1" }),
        },
        { method: "GET" },
        { method: "POST", body: "defg" },
        { method: "DELETE" },
      ];
      const seen: unknown[] = [];
      for (const request of [...requests, ...requests]) {
        const outcome = client.send(request);
        const { method, framing, body, trailers } = await server.readRequest();
        seen.push([method, framing, body.toString(), trailers.length]);
        assert.equal(server.unread.length, 0, "bytes behind a request");
        void server.write(OK);
        await outcome.done;
      }
      const expected = [
        ["POST", "chunked", "abc", 1],
        ["GET", "none", "", 0],
        ["POST", "length", "defg", 0],
        ["DELETE", "none", "", 0],
      ];
      assert.deepEqual(seen, [...expected, ...expected]);
      assert.equal(client.reusable, 8);
    });
  });

  test("go back to the keeper before the end is told, so that the next can begin in it", async () => {
    await withOrigin(answering(OK), async (client) => {
      let next: Outcome | null = null;
      const first = client.send();
      first.onEnd = () => {
        assert.equal(client.reusable, 1);
        next = client.send({ target: "/next" });
      };
      await first.done;
      assert.equal((await next!.done).body, "ok");
      assert.equal(client.reusable, 2);
    });
  });
});

describe("responses in a coding that nobody knows", () => {
  const bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: nonsense\r\nConnection: keep-alive\r\n\r\nok";

  test("are refused", async () => {
    await withOrigin(answering(bytes), async (client) => {
      const { error } = await client.send().done;
      assert.equal(error?.code, "UPSTREAM_BAD_RESPONSE");
    });
  });

  test("end with the connection where they are taken, which carries nothing else", async () => {
    const script = async (connection: RawConnection): Promise<void> => {
      await connection.readRequest();
      await connection.write(bytes);
      await connection.end();
    };
    const run = async (client: Http1Client): Promise<void> => {
      const { status, body } = await client.send().done;
      assert.deepEqual([status, body, client.reusable], [200, "ok", 0]);
    };
    await withOrigin(script, run, { transferCodings: "any" });
  });
});

describe("responses", () => {
  const interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
  const chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n5;x\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n";
  const cases: Record<string, { bytes: string; method?: string; body: string; events: string[] }> = {
    "of a known length": { bytes: OK, body: "ok", events: ["head", "end"] },
    "in chunks, after interim ones": { bytes: interim + chunked, body: "hello world", events: ["103", "100", "head", "end"] },
    "without content": { bytes: "HTTP/1.1 204 No Content\r\n\r\n", body: "", events: ["head", "end"] },
    "not modified": { bytes: "HTTP/1.1 304 Not\r\nContent-Length: 99\r\n\r\n", body: "", events: ["head", "end"] },
    "of length zero": { bytes: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", body: "", events: ["head", "end"] },
    "to HEAD": { bytes: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", method: "HEAD", body: "", events: ["head", "end"] },
    "to HEAD, chunked": { bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", method: "HEAD", body: "", events: ["head", "end"] },
  }; // biome-ignore format: a table

  for (const [name, { bytes, method = "GET", body, events }] of Object.entries(cases)) {
    test(`${name} are the same wherever they are cut`, async () => {
      let cut = 0;
      await withOrigin(
        async (connection) => {
          for (; cut < bytes.length; cut++) {
            await connection.readRequest();
            await connection.writePieces(bytes, [cut]);
          }
        },
        async (client) => {
          for (let i = 0; i < bytes.length; i++) {
            const outcome = await client.send({ method }).done;
            assert.equal(outcome.error, null, `cut at ${i}: ${outcome.error?.message}`);
            assert.deepEqual([outcome.body, outcome.events], [body, events], `cut at ${i}`);
            assert.equal(client.reusable, i + 1);
          }
        },
      );
      await withOrigin(
        answering(
          bytes,
          Array.from(bytes, (_, i) => i),
        ),
        async (client) => {
          const outcome = await client.send({ method }).done;
          assert.deepEqual([outcome.body, outcome.events], [body, events]);
        },
      );
    });
  }

  test("bring their fields, reason and trailers", async () => {
    await withOrigin(answering(chunked.replace("OK", "Very \xfcber")), async (client) => {
      const outcome = await client.send().done;
      assert.equal(outcome.reason, "Very \xfcber");
      assert.equal(outcome.headers["x-a"], "1");
      assert.equal(outcome.trailers?.get("x-t"), "1");
      assert.equal(client.connection.bytesReceived, 11);
    });
  });

  test("without a framing last until the end", async () => {
    const close = async (connection: RawConnection): Promise<void> => {
      await connection.readRequest();
      await connection.write("HTTP/1.1 200 OK\r\n\r\npart ");
      await delay(5);
      connection.end("rest");
    };
    await withOrigin(close, async (client) => {
      const outcome = await client.send().done;
      assert.deepEqual([outcome.body, outcome.events], ["part rest", ["head", "end"]]);
      assert.equal(client.reusable, 0);
      await client.gone;
    });
  });

  test("that end the connection aren't followed by others on it", async () => {
    for (const bytes of [
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
      "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
      `${OK}HTTP/1.1 200 OK\r\n`,
      `${OK}x`,
      `${OK}\r\n`,
    ]) {
      await withOrigin(answering(bytes), async (client) => {
        const outcome = await client.send().done;
        assert.deepEqual([outcome.body, outcome.events], ["ok", ["head", "end"]]);
        assert.equal(client.reusable, 0, JSON.stringify(bytes));
        assert.equal(client.connection.usable, false);
        await client.gone;
      });
    }
  });

  test("that come before the request is out complete it, but end the connection", async () => {
    await withOrigin(nothing, async (client, server) => {
      const outcome = client.begin();
      client.sendHead({ method: "POST", length: 1000 });
      client.connection.sendBody(Buffer.from("some"), 0, 4);
      await server.readHead();
      void server.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
      await outcome.done;
      assert.deepEqual([outcome.status, outcome.body, outcome.error], [413, "no", null]);
      assert.equal(client.reusable, 0);
      client.connection.sendBody(Buffer.from("more"), 0, 4);
      client.connection.sendEnd(null);
      await client.gone;
      assert.deepEqual(outcome.events, ["head", "end"]);
    });
  });
});

describe("pauses", () => {
  const chunks = Array.from({ length: 30 }, (_, i) => `${(i + 1).toString(16)}\r\n${"x".repeat(i + 1)}\r\n`);
  const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n\r\n`;
  const total = (30 * 31) / 2;

  for (const isLater of [false, true]) {
    test(`at every piece lose nothing, ended ${isLater ? "later" : "at once"}`, async () => {
      await withOrigin(answering(chunked, [40, 100, 300]), async (client) => {
        for (let i = 0; i < 5; i++) {
          const outcome = client.send();
          outcome.onHead = outcome.onBody = () => {
            client.connection.pauseResponse();
            if (isLater) setImmediate(() => client.connection.resumeResponse());
            else client.connection.resumeResponse();
          };
          await outcome.done;
          assert.deepEqual(
            [outcome.body.length, outcome.events, client.reusable],
            [total, ["head", "end"], i + 1],
          );
        }
      });
    });
  }

  test("hold everything back until they end", async () => {
    await withOrigin(nothing, async (client, server) => {
      const outcome = client.send();
      outcome.onHead = () => client.connection.pauseResponse();
      await server.readRequest();
      void server.write(OK);
      await until("the head came", () => outcome.status === 200);
      await delay(20);
      assert.deepEqual([outcome.body, outcome.events], ["", ["head"]]);
      client.connection.resumeResponse();
      await outcome.done;
      assert.deepEqual([outcome.body, client.reusable], ["ok", 1]);
    });
  });

  test("on a response without body put its end off", async () => {
    await withOrigin(answering("HTTP/1.1 204 No\r\n\r\n"), async (client) => {
      const outcome = client.send();
      outcome.onHead = () => client.connection.pauseResponse();
      await until("the head came", () => outcome.status === 204);
      await delay(10);
      assert.deepEqual(outcome.events, ["head"]);
      client.connection.resumeResponse();
      assert.deepEqual([outcome.events, client.reusable], [["head", "end"], 1]);
    });
  });

  test("with half a head received go on reading the rest", async () => {
    await withOrigin(nothing, async (client, server) => {
      const outcome = client.send();
      await server.readRequest();
      await server.write(OK.slice(0, 20));
      await delay(20);
      client.connection.pauseResponse();
      client.connection.resumeResponse();
      await server.write(OK.slice(20));
      assert.equal((await outcome.done).body, "ok");
    });
  });

  test("don't lose the end of a response that the close ends", async () => {
    await withOrigin(nothing, async (client, server) => {
      const outcome = client.send();
      outcome.onBody = () => client.connection.pauseResponse();
      await server.readRequest();
      await server.write("HTTP/1.1 200 OK\r\n\r\n");
      await server.write("all");
      server.end();
      await until("it came", () => outcome.body === "all");
      await delay(20);
      assert.deepEqual(outcome.events, ["head"]);
      outcome.onBody = null;
      client.connection.resumeResponse();
      await outcome.done;
      assert.deepEqual([outcome.events, outcome.error], [["head", "end"], null]);
    });
  });
});

describe("a switch of protocols", () => {
  const SWITCH = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

  class Sink implements ByteSink {
    text = "";
    readonly events: string[] = [];
    onBytes(bytes: Buffer, start: number, end: number): void {
      this.text += bytes.toString("latin1", start, end);
    }
    onBytesEnd(): void {
      this.events.push("end");
    }
    onBytesBlocked(): void {}
    onBytesDrained(): void {}
    onBytesClosed(): void {
      this.events.push("closed");
    }
  }

  test("that was asked for makes a byte stream, with what came early", async () => {
    await withOrigin(nothing, async (client, server) => {
      const outcome = client.send({ upgrade: "echo" });
      const sink = new Sink();
      outcome.onInterim = () => {
        const stream = client.connection.toByteStream(sink);
        stream.send(Buffer.from("hello"), 0, 5);
      };
      const request = await server.readRequest();
      assert.deepEqual([request.header("connection"), request.header("upgrade")], ["Upgrade", "echo"]);
      void server.write(`${SWITCH}early`);
      assert.equal((await server.readExactly(5)).toString(), "hello");
      await until("it came", () => sink.text === "early");
      server.end(" late");
      await until("the end came", () => sink.events.includes("end"));
      assert.equal(sink.text, "early late");
      assert.deepEqual([outcome.events, client.reusable], [["101"], 0]);
    });
  });

  test("that is taken up later holds little until then", async () => {
    await withOrigin(nothing, async (client, server) => {
      const outcome = client.send({ upgrade: "echo" });
      await server.readRequest();
      void server.write(`${SWITCH}early`);
      await until("it came", () => outcome.interim.length === 1);
      const flood = 30 * 1024 * 1024;
      void server.write(Buffer.alloc(flood, "x"));
      await delay(100);
      assert.equal(client.connection.transport.paused, true);
      const sink = new Sink();
      client.connection.toByteStream(sink);
      await until("all came", () => sink.text.length === flood + 5);
      assert.ok(sink.text.startsWith("earlyx"));
    });
  });

  for (const [name, options, bytes] of [
    ["that nobody asked for", {}, SWITCH],
    ["without its fields", { upgrade: "echo" }, "HTTP/1.1 101 Switching\r\nUpgrade: echo\r\n\r\n"],
  ] as const) {
    test(`${name} is an error`, async () => {
      await withOrigin(answering(bytes), async (client) => {
        const outcome = await client.send(options).done;
        assert.equal(outcome.error?.code, "UPSTREAM_BAD_RESPONSE");
        await client.gone;
      });
    });
  }

  test("before the whole request is out is an error", async () => {
    await withOrigin(nothing, async (client, server) => {
      const outcome = client.begin();
      client.sendHead({ method: "POST", length: 5, upgrade: "echo" });
      await server.readHead();
      void server.write(SWITCH);
      assert.equal((await outcome.done).error?.code, "UPSTREAM_BAD_RESPONSE");
    });
  });
});
