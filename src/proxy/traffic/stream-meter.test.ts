import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../../test/kit/deadline.ts";
import { freePort } from "../../../test/kit/ports.ts";
import { connectRaw } from "../../../test/kit/raw-client.ts";
import { startRawOrigin } from "../../../test/kit/raw-origin.ts";
import { PROXY_SETTINGS } from "../../../test/kit/stream-proxy.ts";
import { countedPlaces } from "../../../test/kit/traffic.ts";
import { openUdp, startUdpEcho } from "../../../test/kit/udp.ts";
import { Counters } from "../../base/counters.ts";
import { Server } from "../server.ts";
import { TcpProxyService } from "../tcp-proxy-service.ts";
import { LocalTlsSource } from "../tls/local-tls-source.ts";
import { UdpProxyService } from "../udp-proxy-service.ts";

test("connections of a TCP proxy are counted while they last, at the proxy and at their server", async () => {
  await using origin = await startRawOrigin(({ socket }) => void socket.pipe(socket));
  const places = countedPlaces();
  const settings = { ...PROXY_SETTINGS, upstreams: [origin.address] };
  const server = new Server([new TcpProxyService(settings, { faults: null })], { traffic: places.book });
  await server.start();
  const client = await connectRaw(Number(server.addresses[0]!.split(":").at(-1)));
  await client.write("hello");
  await client.readExactly(5);
  const listener = places.place("listener", "proxy").counts;
  assert.deepEqual(
    [listener.connections, listener.connectionsOpen, listener.bytesIn, listener.bytesOut, listener.requests],
    [1, 1, 5, 5, 0],
  );
  const upstream = places.place("upstream", origin.address);
  assert.deepEqual(
    [upstream.counts.connectionsOpen, upstream.counts.bytesIn, upstream.latency.count],
    [1, 5, 1],
  );
  client.destroy();
  await until("it is over", () => places.place("listener", "proxy").counts.connectionsOpen === 0);
  assert.equal(places.place("upstream", origin.address).counts.connectionsOpen, 0);
  const [from] = places.top("client");
  assert.deepEqual([from?.key, from?.counts.connections, from?.counts.bytesOut], ["127.0.0.1", 1, 5]);
  server.destroy();
});

test("a connection that no server takes has failed", async () => {
  const places = countedPlaces();
  const settings = { ...PROXY_SETTINGS, upstreams: [`127.0.0.1:${await freePort()}`] };
  const server = new Server([new TcpProxyService(settings, { faults: null })], { traffic: places.book });
  await server.start();
  await using client = await connectRaw(Number(server.addresses[0]!.split(":").at(-1)));
  await client.readToEnd();
  assert.equal(places.place("listener", "proxy").counts.failed, 1);
  assert.deepEqual(places.names("upstream"), []);
  server.destroy();
});

test("sessions of a UDP proxy are counted while they last", async () => {
  await using echo = await startUdpEcho();
  const places = countedPlaces();
  const settings = { ...PROXY_SETTINGS, protocol: "udp" as const, upstreams: [`127.0.0.1:${echo.port}`] };
  const service = new UdpProxyService(settings, { faults: null });
  const { signal } = new AbortController();
  const context = { counters: Counters.local(), observer: null, reporter: null, thread: 0, keyLog: null };
  service.start({ ...context, signal, tls: new LocalTlsSource(signal, null), traffic: places.book });
  const port = Number((await service.open("127.0.0.1:0")).split(":").at(-1));
  await using client = await openUdp();
  client.send("hello", port);
  await until("it came back", () => places.place("listener", "proxy").counts.bytesOut === 5);
  const { counts } = places.place("listener", "proxy");
  assert.deepEqual([counts.connections, counts.connectionsOpen, counts.bytesIn], [1, 1, 5]);
  service.destroy();
  assert.equal(places.place("listener", "proxy").counts.connectionsOpen, 0);
  assert.equal(places.place("upstream", `127.0.0.1:${echo.port}`).counts.bytesOut, 5);
});
