import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_LOCAL_SETTINGS, SettingId } from "../../src/http2/settings.ts";
import { until } from "../kit/deadline.ts";
import { type FrameConnection, startFrameServer } from "../kit/http2-frame-server.ts";
import { request, startProxy } from "./proxy.ts";

const peer = { protocol: "h2c" } as const;

/** Settles when the proxy has acknowledged so many frames of settings. */
async function acknowledged(connection: FrameConnection, times: number): Promise<void> {
  await connection.until(() => connection.notes.filter((note) => note === "settings ack").length >= times);
}

describe("a server's limit on header lists", () => {
  test("isn't passed: who asks for more gets a 431, and the server hears nothing of it", async () => {
    await using origin = await startFrameServer((connection) => connection.answerAll(), {
      ...DEFAULT_LOCAL_SETTINGS,
      maxHeaderListSize: 500,
    });
    await using proxy = await startProxy({ origin, peer, retries: { maxTries: 3, onConnectFailure: true } });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    const refused = await client.exchange(request("GET /large", `X-Large: ${"x".repeat(500)}`));
    assert.equal(refused.status, 431);
    const [reported] = proxy.reported;
    assert.deepEqual([reported?.error.code, reported?.error.source], ["UPSTREAM_HEAD_LIMIT", "internal"]);
    const other = await proxy.connect();
    assert.equal((await other.exchange(request("GET /", `X-Small: ${"x".repeat(100)}`))).status, 200);
    assert.deepEqual(origin.connections[0]?.requests, ["GET /", "GET /"]);
    assert.equal(proxy.count("retries"), 0);
  });

  test("counts what is left out and added", async () => {
    await using origin = await startFrameServer((connection) => connection.answerAll(), {
      ...DEFAULT_LOCAL_SETTINGS,
      maxHeaderListSize: 500,
    });
    await using proxy = await startProxy({
      origin,
      peer,
      phases: {
        upstreamRequestFilter(session, upstream) {
          if (session.request.path === "/less") upstream.headers.delete("x-large");
          if (session.request.path === "/more") upstream.headers.set("x-more", "x".repeat(500));
        },
      },
    });
    const client = await proxy.connect();
    const large = `X-Large: ${"x".repeat(500)}`;
    assert.equal((await client.exchange(request("GET /less", large))).status, 200);
    assert.equal(
      (await client.exchange(request("GET /", `Connection: X-Gone`, `X-Gone: ${large}`))).status,
      200,
    );
    assert.equal((await client.exchange(request("GET /more"))).status, 431);
  });
});

describe("settings that a server changes", () => {
  test("of the frame size are kept to by heads, and never make DATA larger", async () => {
    await using origin = await startFrameServer(
      async (connection) => {
        await connection.answerAll();
      },
      { ...DEFAULT_LOCAL_SETTINGS, maxFrameSize: 65_536, maxHeaderListSize: 1_000_000 },
    );
    const head = { requestLine: 8192, bytes: 100_000, fields: 100 };
    await using proxy = await startProxy({ origin, peer, settings: { head } });
    const client = await proxy.connect();
    // The reader of the frame server takes no more than 16,384 bytes in a frame, and says so.
    const large = `X-Large: ${"x".repeat(15_000)}`;
    assert.equal((await client.exchange(request("GET /", large))).status, 200);
    void client.write(request("POST /", "Content-Length: 200000"));
    void client.write(Buffer.alloc(200_000));
    assert.equal((await client.readResponse()).status, 200);
    assert.deepEqual(
      origin.connections[0]?.notes.filter((note) => note.startsWith("error")),
      [],
    );
  });

  test("of the table's size are followed, to nothing and back", async () => {
    await using origin = await startFrameServer(async (connection) => {
      for (const [i, size] of [0, 4096, 100, 1_000_000].entries()) {
        await connection.answer(await connection.request(2 * i), "ok");
        connection.sendSettings([[SettingId.HeaderTableSize, size]]);
        connection.limitTable(size);
        await acknowledged(connection, i + 2);
        await connection.answer(await connection.request(2 * i + 1), "ok");
      }
    });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    for (let i = 0; i < 8; i++) {
      if (i % 2 === 1) await acknowledged(origin.connections[0]!, (i + 3) / 2);
      const fields = ["User-Agent: a browser of some kind", "Accept: text/html", `X-Count: ${i}`];
      assert.equal((await client.exchange(request(`GET /${i}`, ...fields))).status, 200);
    }
    const heads = origin.connections[0]!.heads.map((head) => new Map(head));
    for (const [i, head] of heads.entries()) {
      assert.deepEqual(
        [head.get("user-agent"), head.get("accept"), head.get("x-count"), head.get(":path")],
        ["a browser of some kind", "text/html", String(i), `/${i}`],
      );
    }
    const sizes = [...origin.connections[0]!.streams.values()].map(({ blocks }) => blocks[0]!.length);
    // Without a table everything is sent anew, with one only what changed.
    assert.ok(sizes[1]! > sizes[7]!, sizes.join(" "));
  });

  test("of how many streams there may be hold for those that wait", async () => {
    let tooMany = 0;
    await using origin = await startFrameServer(
      async (connection) => {
        let [active, allowed] = [0, 2];
        for (let i = 0; ; i++) {
          const id = await connection.request(i);
          if (++active > allowed) tooMany++;
          // Gives the others the time to come as well, if they may.
          setTimeout(() => {
            active--;
            if (i === 10) {
              allowed = 20;
              connection.sendSettings([[SettingId.MaxConcurrentStreams, allowed]]);
            }
            void connection.answer(id, "ok");
          }, 5);
        }
      },
      { ...DEFAULT_LOCAL_SETTINGS, maxConcurrentStreams: 2 },
    );
    await using proxy = await startProxy({ origin, peer });
    const clients = await Promise.all(Array.from({ length: 500 }, () => proxy.connect()));
    const answers = await Promise.all(clients.map((client) => client.exchange(request("GET /"))));
    for (const { status } of answers) assert.equal(status, 200);
    assert.equal(tooMany, 0);
    assert.ok(origin.connections.length <= 32, `${origin.connections.length} connections`);
  });

  test("to no streams at all have others wait, until there are some again", async () => {
    await using origin = await startFrameServer(async (connection) => {
      await connection.answer(await connection.request(0), "ok");
      connection.sendSettings([[SettingId.MaxConcurrentStreams, 0]]);
      await acknowledged(connection, 2);
      await until("it is waited for", () => isAsked);
      connection.sendSettings([[SettingId.MaxConcurrentStreams, 10]]);
      await connection.answer(await connection.request(1), "again");
    });
    await using proxy = await startProxy({ origin, peer });
    let isAsked = false;
    const client = await proxy.connect();
    await client.exchange(request("GET /"));
    await acknowledged(origin.connections[0]!, 2);
    const answer = client.exchange(request("GET /"));
    await until("it is asked", () => proxy.count("requestsActive") === 1);
    isAsked = true;
    assert.equal((await answer).body.toString(), "again");
    assert.equal(origin.connections.length, 1);
  });
});

test("clients that share a connection learn nothing of each other by the size of what is sent", async () => {
  await using origin = await startFrameServer((connection) => connection.answerAll());
  await using proxy = await startProxy({ origin, peer });
  const [victim, attacker] = await Promise.all([proxy.connect(), proxy.connect()]);
  const secrets = (cookie: string, path: string): string =>
    request(
      `GET /reset?token=${path}`,
      `Cookie: session=${cookie}; theme=dark-mode-on`,
      `X-Token: ${cookie}`,
    );
  await victim.exchange(secrets("31415926535897932384", "8642"));
  const before = origin.connections[0]!.streams.size;
  await attacker.exchange(secrets("31415926535897932384", "8642"));
  await attacker.exchange(secrets("48323979853562951413", "2468"));
  const sizes = [...origin.connections[0]!.streams.values()]
    .slice(before)
    .map(({ blocks }) => blocks[0]!.length);
  assert.equal(sizes.length, 2);
  assert.equal(sizes[0], sizes[1]);
});
