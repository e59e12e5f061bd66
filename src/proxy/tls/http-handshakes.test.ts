import assert from "node:assert/strict";
import { test } from "node:test";
import { captureHello } from "../../../test/kit/client-hello.ts";
import { until } from "../../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { closureOf, connectRaw } from "../../../test/kit/raw-client.ts";
import { startRawOrigin } from "../../../test/kit/raw-origin.ts";
import { createFaults, toxic } from "../../../test/kit/stream-proxy.ts";
import { builtinToxics } from "../../chaos/toxics/index.ts";
import { HttpPeer } from "../../upstream/peer.ts";
import { httpProxy } from "../http-proxy-service.ts";
import { serve } from "../serve.ts";
import { Server } from "../server.ts";

test("connections that are cut are cut in their handshake, too", async () => {
  const faults = createFaults(builtinToxics);
  const phases = { upstreamPeer: () => new HttpPeer("127.0.0.1:1") };
  const passthrough = [{ names: ["a.example"], upstreams: ["127.0.0.1:1"] }];
  await using server = await serve(httpProxy({ phases, tls: { passthrough }, faults }));
  const underWay = (count: number) =>
    until(`${count} are open`, () => server.counters.connectionsOpen === count);
  await using first = await connectRaw(server.port);
  await underWay(1);
  faults.add(toxic("latency", { attributes: { latency: 1, jitter: 0 } }));
  await using second = await connectRaw(server.port);
  await underWay(2);
  faults.add(toxic("down", { attributes: { keep: true } }));
  assert.equal(await closureOf(server.port), "reset");
  assert.equal(server.counters.connectionsOpen, 2);
  faults.update("down", { attributes: { keep: false } });
  assert.deepEqual([await first.closed, await second.closed], ["reset", "reset"]);
  await underWay(0);
});

test("connections that are refused are closed at a Unix socket, which knows no resets", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("socket");
  const faults = createFaults(builtinToxics);
  const phases = { upstreamPeer: () => new HttpPeer("127.0.0.1:1") };
  const passthrough = [{ names: ["a.example"], upstreams: ["127.0.0.1:1"] }];
  const listen = [`unix:${path}`];
  await using server = await serve(httpProxy({ phases, listen, tls: { passthrough }, faults }));
  await using first = await connectRaw({ path });
  await until("it is open", () => server.counters.connectionsOpen === 1);
  faults.add(toxic("down", { attributes: { keep: true } }));
  await using second = await connectRaw({ path });
  assert.equal(await second.closed, "end");
  faults.update("down", { attributes: { keep: false } });
  assert.equal(await first.closed, "end");
  await until("nothing is open", () => server.counters.connectionsOpen === 0);
});

test("a listener's faults know nothing of handshakes that were got ready in vain", async (t) => {
  const faults = createFaults(builtinToxics);
  let attached = 0;
  const whenActive = faults.whenActive.bind(faults);
  faults.whenActive = (attach) => {
    attached++;
    const leave = whenActive(attach);
    return () => {
      attached--;
      leave();
    };
  };
  const phases = { upstreamPeer: () => new HttpPeer("127.0.0.1:1") };
  const passthrough = [{ names: ["a.example"], upstreams: ["127.0.0.1:1"] }];
  const create = () => httpProxy({ phases, listen: ["127.0.0.1:0"], tls: { passthrough }, faults });
  const server = new Server([create()]);
  t.after(() => server.destroy());
  await server.start();
  const before = attached;
  for (let i = 0; i < 2; i++) {
    const succession = await server.succeed([create()], {}, () => assert.fail("nothing new is listened on"));
    succession.commit(0);
  }
  assert.equal(attached, before);
  server.destroy();
  assert.equal(attached, 0);
});

test("a listener's faults act on the bytes of connections that it passes on", async () => {
  await using origin = await startRawOrigin(() => undefined);
  const faults = createFaults(builtinToxics);
  const passthrough = [{ names: ["a.example"], upstreams: [origin.address] }];
  const phases = { upstreamPeer: () => new HttpPeer("127.0.0.1:1") };
  await using server = await serve(httpProxy({ phases, tls: { passthrough }, faults }));
  const hello = await captureHello({ servername: "a.example" });
  await using client = await connectRaw(server.port);
  await client.write(hello);
  const connection = await origin.connection(0);
  assert.deepEqual(await connection.readExactly(hello.length), hello);
  faults.add(toxic("limit_data", { stream: "upstream", attributes: { bytes: 3 } }));
  await client.write("abcdef");
  assert.equal((await connection.readToEnd()).toString(), "abc");
  await until("nothing is open", () => server.counters.connectionsOpen === 0);
});
