import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { closureOf, connectRaw } from "../kit/raw-client.ts";
import { openUdp, startUdpEcho } from "../kit/udp.ts";
import { runInside } from "./inside.ts";
import { ask, portOf, type RunningToxiproxy, startEcho, startToxiproxy } from "./toxiproxy.ts";

interface ShownProxy {
  readonly listen: string;
  readonly enabled: boolean;
  readonly toxics: readonly { readonly name: string }[];
}

describe("the Toxiproxy server", () => {
  test("logs in JSON, and ends when it is told to", async () => {
    await using server = await startToxiproxy([], { env: { LOG_LEVEL: "debug" } });
    await ask(server.url, "GET", "/proxies");
    await server.program.line(/"message":"Starting Toxiproxy"/);
    await server.program.line(/"level":"debug".*"method":"GET","url":"\/proxies","status":200/);
    server.program.signal("SIGTERM");
    assert.equal((await server.program.exit()).code, 0);
    const lines = server.program.stdout.trimEnd().split("\n");
    for (const line of lines) assert.match(JSON.parse(line).time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.match(lines.at(-1)!, /"message":"Shutdown started"/);
  });

  test("says what LOG_LEVEL it doesn't know", async () => {
    await using server = await startToxiproxy([], { env: { LOG_LEVEL: "loud" } });
    await server.program.line(/"level":"error".*"message":"unknown LOG_LEVEL value: \\"loud\\""/);
  });

  test("begins with the proxies of its configuration", async () => {
    await using folder = await createTemporaryDirectory();
    const proxy = {
      name: "db",
      listen: "127.0.0.1:0",
      upstream: "127.0.0.1:9",
      toxics: [{ type: "latency" }],
    };
    const config = await folder.write("proxies.json", JSON.stringify([proxy]));
    await using server = await startToxiproxy([`-config=${config}`]);
    await server.program.line(/"proxies":1,"message":"Populated proxies from file"/);
    const shown = (await ask(server.url, "GET", "/proxies/db")) as ShownProxy;
    assert.equal(shown.toxics[0]?.name, "latency_downstream");
  });

  test("goes on without a configuration that it can't read", async () => {
    await using folder = await createTemporaryDirectory();
    const config = await folder.write("proxies.json", '[{"name":"db"}]');
    await using server = await startToxiproxy(["-config", config]);
    await server.program.line(
      /"level":"error".*"error":"missing required field: upstream at proxy 1","message":"Failed to populate/,
    );
    await using other = await startToxiproxy(["-config", folder.join("nowhere.json")]);
    await other.program.line(
      /"error":"ENOENT.*"config":".*nowhere.json","message":"Error reading config file"/,
    );
    assert.deepEqual(await ask(other.url, "GET", "/proxies"), {});
  });

  test("prints its version", async () => {
    const { code, stdout } = await runInside(["toxiproxy", "-version"]);
    assert.equal(code, 0);
    assert.match(stdout, /^toxiproxy-server version 2\.\d+\.\d+\+sluice-[\d.]+\n$/);
  });

  test("says what keeps it from listening", async () => {
    await using server = await startToxiproxy();
    const { code, stderr } = await runInside(["toxiproxy", "-port", String(server.port)]);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^sluice: .*${server.port}`, "m"));
  });

  test("knows who may ask it", async () => {
    await using server = await startToxiproxy(["--token", "secret", "--allow-host", "toxiproxy"]);
    const statusOf = async (headers: Record<string, string>): Promise<number> => {
      await using client = await connectRaw(server.port);
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      return (await client.exchange(`GET /version HTTP/1.1\r\n${lines.join("")}\r\n`)).status;
    };
    const authorization = { Authorization: "Bearer secret" };
    assert.equal(await statusOf({ Host: "localhost" }), 401);
    assert.equal(await statusOf({ Host: "localhost", ...authorization }), 200);
    assert.equal(await statusOf({ Host: "toxiproxy:8474", ...authorization }), 200);
    assert.equal(await statusOf({ Host: "evil.example", ...authorization }), 403);
  });

  test("refuses flags that it doesn't know", async () => {
    const { code, stderr } = await runInside(["toxiproxy", "-nope"]);
    assert.equal(code, 2);
    assert.match(stderr, /unknown option/);
  });
});

for (const threads of ["0", "2"]) {
  describe(`proxies in ${threads} threads`, () => {
    let server: RunningToxiproxy;
    before(async () => {
      server = await startToxiproxy(["--threads", threads, "-proxy-metrics"]);
    });
    after(() => server[Symbol.asyncDispose]());

    test("are made with their toxics in one call, shown, steered and cut", async () => {
      await using echo = await startEcho();
      const proxy = (await ask(server.url, "POST", "/proxies", {
        name: "p",
        listen: "127.0.0.1:0",
        upstream: echo.address,
        toxics: [{ type: "limit_data", attributes: { bytes: 7 } }],
      })) as ShownProxy;
      await using limited = await connectRaw(portOf(proxy.listen));
      void limited.write("0123456789");
      assert.equal((await limited.readToEnd()).toString(), "0123456");
      await ask(server.url, "DELETE", "/proxies/p/toxics/limit_data_downstream");

      await using client = await connectRaw(portOf(proxy.listen));
      void client.write("hello");
      await client.readExactly(5);
      const open = (await until("the connection is listed", async () => {
        const all = (await ask(server.url, "GET", "/proxies/p/connections")) as {
          id: string;
          upstream: string;
        }[];
        return all.length === 1 ? all : null;
      })) as { id: string; upstream: string; bytes_up: number; bytes_down: number }[];
      assert.deepEqual([open[0]?.upstream, open[0]?.bytes_up, open[0]?.bytes_down], [echo.address, 5, 5]);
      await ask(server.url, "POST", "/proxies/p/cut", { connection: open[0]!.id });
      assert.equal(await client.closed, "reset");
    });

    test("are for datagrams and on Unix sockets, too", async () => {
      await using echo = await startEcho();
      await using datagrams = await startUdpEcho();
      await using folder = await createTemporaryDirectory();
      const { listen } = (await ask(server.url, "POST", "/proxies", {
        ...{ name: "udp", listen: "127.0.0.1:0", upstream: `127.0.0.1:${datagrams.port}`, protocol: "udp" },
      })) as ShownProxy;
      await using peer = await openUdp();
      assert.equal(await peer.ask("hello", portOf(listen)), "hello");
      const path = folder.join("proxy.sock");
      await ask(server.url, "POST", "/proxies", {
        name: "unix",
        listen: `unix:${path}`,
        upstream: echo.address,
      });
      await using client = await connectRaw({ path });
      void client.write("hello");
      assert.equal((await client.readExactly(5)).toString(), "hello");
    });

    test("change their mode", async () => {
      await using echo = await startEcho();
      const { listen } = (await ask(server.url, "POST", "/proxies", {
        ...{ name: "moody", listen: "127.0.0.1:0", upstream: echo.address },
      })) as ShownProxy;
      await using client = await connectRaw(portOf(listen));
      void client.write("x");
      await client.readExactly(1);
      await ask(server.url, "PUT", "/proxies/moody/mode", { kind: "deny", cut: true });
      assert.equal(await client.closed, "reset");
      assert.equal(await closureOf(portOf(listen)), "reset");
      await ask(server.url, "POST", "/proxies/moody/mode", "allow");
      await using allowed = await connectRaw(portOf(listen));
      void allowed.write("y");
      assert.equal((await allowed.readExactly(1)).toString(), "y");
    });

    test("tell what happens, and what was moved", async () => {
      await using echo = await startEcho();
      const { listen } = (await ask(server.url, "POST", "/proxies", {
        ...{ name: "told", listen: "127.0.0.1:0", upstream: echo.address },
      })) as ShownProxy;
      await using events = await connectRaw(server.port);
      void events.write("GET /events?proxy=told HTTP/1.1\r\nHost: localhost\r\n\r\n");
      await events.readUntil(": events follow\n\n");
      const client = await connectRaw(portOf(listen));
      void client.write("hello");
      await client.readExactly(5);
      client.end();
      await client.readToEnd();
      await client[Symbol.asyncDispose]();
      const told = (await events.readUntil((text) => text.includes("event: closed\n"))).toString();
      assert.match(told, /event: opened\ndata: {"kind":"opened","proxy":"told",/);

      const labels = (direction: string): string =>
        `{direction="${direction}",listener="${listen}",proxy="told",upstream="${echo.address}"}`;
      const metrics = await until("what was moved is counted", async () => {
        const text = await (await fetch(`${server.url}/metrics`)).text();
        return text.includes(listen) ? text : "";
      });
      for (const direction of ["downstream", "upstream"]) {
        for (const way of ["received", "sent"])
          assert.ok(metrics.includes(`toxiproxy_proxy_${way}_bytes_total${labels(direction)} 5\n`), metrics);
      }
    });

    test("that can't be had are told in the words that clients know", async () => {
      const make = (name: string, listen: string): Promise<unknown> =>
        ask(server.url, "POST", "/proxies", { name, listen, upstream: "127.0.0.1:9" });
      const taken = `127.0.0.1:${server.port}`;
      await assert.rejects(make("a", taken), {
        message: `500 {"error":"listen tcp ${taken}: bind: address already in use","status":500}\n`,
      });
      await make("b", "127.0.0.1:0");
      await assert.rejects(
        ask(server.url, "PATCH", "/proxies/b", { listen: taken }),
        /^Error: 500 .*address already in use/,
      );
      assert.equal(((await ask(server.url, "GET", "/proxies/b")) as ShownProxy).enabled, true);
      await assert.rejects(
        ask(server.url, "POST", "/populate", [{ name: "b", listen: taken, upstream: "127.0.0.1:9" }]),
        /^Error: 500 .*address already in use.*"proxies":null/,
      );
      assert.equal(((await ask(server.url, "GET", "/proxies/b")) as ShownProxy).enabled, false);
    });
  });
}

test("a seed makes a run repeatable", async () => {
  await using echo = await startEcho();
  const lots = await Promise.all([7, 7, 8].map((seed) => drawLots(String(seed), echo.address)));
  assert.deepEqual(lots[0], lots[1]);
  assert.notDeepEqual(lots[0], lots[2]);
});

/** Which of some connections a toxic is active on. */
async function drawLots(seed: string, upstream: string): Promise<boolean[]> {
  await using server = await startToxiproxy(["-seed", seed, "--threads", "0"]);
  const toxics = [{ type: "limit_data", toxicity: 0.5, attributes: { bytes: 1 } }];
  const proxy = { name: "p", listen: "127.0.0.1:0", upstream, toxics };
  const { listen } = (await ask(server.url, "POST", "/proxies", proxy)) as ShownProxy;
  const lots: boolean[] = [];
  for (let i = 0; i < 24; i++) {
    await using client = await connectRaw(portOf(listen));
    void client.write("ab");
    client.end();
    lots.push((await client.readToEnd()).length === 1);
  }
  return lots;
}
