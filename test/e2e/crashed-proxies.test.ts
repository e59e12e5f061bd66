import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { writeDeadlyToxic } from "./deadly-toxic.ts";
import {
  ask,
  type EchoServer,
  portOf,
  type RunningToxiproxy,
  startEcho,
  startToxiproxy,
} from "./toxiproxy.ts";

interface ProxyView {
  readonly listen: string;
  readonly toxics: readonly { readonly name: string }[];
}

async function startDeadly(directory: TemporaryDirectory, threads: number): Promise<RunningToxiproxy> {
  const path = await writeDeadlyToxic(directory);
  return await startToxiproxy(["--threads", String(threads), "--toxics", path]);
}

function create(server: RunningToxiproxy, name: string, echo: EchoServer): Promise<ProxyView> {
  const proxy = { name, listen: "127.0.0.1:0", upstream: echo.address };
  return ask(server.url, "POST", "/proxies", proxy) as Promise<ProxyView>;
}

async function echoes(proxy: ProxyView): Promise<boolean> {
  await using client = await connectRaw(portOf(proxy.listen));
  void client.write("hello");
  return (await client.readExactly(5)).toString() === "hello";
}

/** Ends the thread that takes the connection. */
async function crash(server: RunningToxiproxy, proxy: ProxyView): Promise<void> {
  await using client = await connectRaw(portOf(proxy.listen));
  void client.write("die");
  await client.closed;
  await server.program.line(/A worker crashed/);
}

describe("while a thread that crashed is replaced", () => {
  for (const threads of [1, 2]) {
    test(`the API goes on, and proxies come back with their toxics, with ${threads} threads`, async () => {
      await using directory = await createTemporaryDirectory();
      await using echo = await startEcho();
      await using server = await startDeadly(directory, threads);
      const first = await create(server, "first", echo);
      await ask(server.url, "POST", "/proxies/first/toxics", { name: "kept", type: "noop" });
      await ask(server.url, "POST", "/proxies/first/toxics", { name: "bad", type: "deadly" });
      await crash(server, first);
      await ask(server.url, "DELETE", "/proxies/first/toxics/bad");
      await ask(server.url, "POST", "/proxies/first/toxics", { name: "new", type: "noop" });
      // Where no thread can listen yet it says so; what it makes can be used in either case.
      const second = await create(server, "second", echo).catch((error: Error) => error);
      if (second instanceof Error) assert.match(second.message, /^500 .*crashed and is being replaced/);
      await server.program.line(/A crashed worker was replaced/);
      if (!(second instanceof Error)) await ask(server.url, "DELETE", "/proxies/second");
      const again = await create(server, "second", echo);
      for (const proxy of [first, again]) assert.ok(await echoes(proxy));
      const { toxics } = (await ask(server.url, "GET", "/proxies/first")) as ProxyView;
      assert.deepEqual(
        toxics.map(({ name }) => name),
        ["kept", "new"],
      );
    });
  }
});
