import assert from "node:assert/strict";
import { test } from "node:test";
import { captureHello } from "../../../test/kit/client-hello.ts";
import { until } from "../../../test/kit/deadline.ts";
import { connectRaw } from "../../../test/kit/raw-client.ts";
import { startRawOrigin } from "../../../test/kit/raw-origin.ts";
import { createFaults, toxic } from "../../../test/kit/stream-proxy.ts";
import { builtinToxics } from "../../chaos/toxics/index.ts";
import { HttpPeer } from "../../upstream/peer.ts";
import { httpProxy } from "../http-proxy-service.ts";
import { serve } from "../serve.ts";

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
