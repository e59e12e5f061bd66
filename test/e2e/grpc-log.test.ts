import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProxyError } from "../../src/base/errors.ts";
import type { Session } from "../../src/proxy/session.ts";
import { GrpcClient, GrpcOrigin } from "../kit/grpc.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { startProxy } from "./proxy.ts";

test("logs know how a call ended, whoever said so", async () => {
  const ended: [path: string, status: number | null][] = [];
  const logging = ({ request, grpcStatus }: Session, _error: ProxyError | null): void =>
    void ended.push([request.path, grpcStatus]);
  const requestFilter = (session: Session): unknown =>
    session.request.headers.has("x-limited") ? session.respond({ status: 429 }) : undefined;
  await using origin = await GrpcOrigin.start();
  await using proxy = await startProxy({
    origin,
    peer: { protocol: "h2c" },
    phases: { logging, requestFilter },
  });
  using client = new GrpcClient(proxy.port);
  await client.unary("well");
  await client.unary("", { "x-fail": "9:no" });
  await client.unary("", { "x-limited": "1" });
  await client.unary("", { "x-wait": "-1", "grpc-timeout": "20m" });
  await using plain = new Http2Client(proxy.port);
  await plain.get("/plain");
  await proxy.settled(2);
  const path = "/sluice.test.Echo/Unary";
  assert.deepEqual(ended, [...[0, 9, 8, 4].map((status) => [path, status]), ["/plain", null]]);
});
