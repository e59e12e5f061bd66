/**
 * Makes ten thousand gRPC calls over one connection: most are answered, others fail, are cancelled before or in the middle of their
 * answer, or run out of time; none disturbs another. By hand:
 *
 *     node test/soak/grpc/calls.ts [calls]
 */

import { startProxy } from "../../e2e/proxy.ts";
import { GrpcClient, GrpcOrigin } from "../../kit/grpc.ts";
import { callsInAllWays } from "../../kit/grpc-ways.ts";

const count = Number(process.argv[2] ?? 10_000);
await using origin = await GrpcOrigin.start();
await using proxy = await startProxy({ origin, peer: { protocol: "h2c" } });
using client = new GrpcClient(proxy.port);
const begin = performance.now();
await callsInAllWays(client, count);
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
const connections = `${proxy.count("connectionsAccepted")} connection of the client, ${proxy.count("upstreamConnects")} to the server`;
process.stdout.write(`${count} calls in ${seconds} s, over ${connections}\n`);
