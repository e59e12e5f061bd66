import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { patience, until, withDeadline } from "../kit/deadline.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { type InsideSluice, startInside } from "./inside.ts";
import { get, startHttp } from "./sluice.ts";

const INTERVAL = "0.3";

function startHttpInside(upstreams: readonly string[], ...flags: readonly string[]): Promise<InsideSluice> {
  const servers = upstreams.flatMap((upstream) => ["--upstream", upstream]);
  return startInside(["http", "--bind", "127.0.0.1:0", ...servers, ...flags]);
}

/** The names of the origins that answer so many requests. */
async function answersTo(port: number, count: number): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < count; i++) {
    const { status, body } = await get(port);
    answers.push(status === 200 ? body.toString().trim() : String(status));
  }
  return answers;
}

/** From now on the origin answers what health checks ask for with this status. */
function answerChecks(origin: Origin, path: string, status: () => number): void {
  origin.handle(path, ({ response }) => {
    response.statusCode = status();
    response.end();
  });
}

test("clients' addresses are appended to what came in", async () => {
  await using origin = await startOrigin();
  await using sluice = await startHttpInside([origin.address]);
  await get(sluice.port, "/", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2");
  assert.equal(origin.requests[0]!.headers["x-forwarded-for"], "192.0.2.1, 192.0.2.2, 127.0.0.1");
});

test("--max-requests-per-minute lets so many in over all connections and threads", async () => {
  await using origin = await startOrigin();
  await using sluice = await startHttp(
    [origin.address],
    ...["--max-requests-per-minute", "5", "--threads", "2"],
  );
  assert.deepEqual(await answersTo(sluice.port, 8), [
    ...Array.from({ length: 5 }, () => "origin"),
    ...["429", "429", "429"],
  ]);
  const refused = await get(sluice.port);
  assert.match(refused.header("retry-after") ?? "", /^[1-9]\d?$/);
  assert.equal(origin.requests.length, 5);
});

describe("--active-health-check-interval and -path", () => {
  test("take a server out that says it is unwell, and bring it back", async () => {
    await using one = await startOrigin({ name: "one" });
    await using two = await startOrigin({ name: "two" });
    let status = 204;
    answerChecks(one, "/healthz", () => status);
    answerChecks(two, "/healthz", () => 404);
    const flags = ["--active-health-check-interval", INTERVAL, "--active-health-check-path", "/healthz"];
    await using sluice = await startHttpInside([one.address, two.address], ...flags);
    const servers = async (): Promise<string> => [...new Set(await answersTo(sluice.port, 8))].sort().join();
    assert.equal(await servers(), "one,two");
    status = 500;
    await until("one is out", async () => (await servers()) === "two");
    status = 204;
    await until("one is back", async () => (await servers()) === "one,two");
  });

  test("ask nothing with 0", async () => {
    await using origin = await startOrigin();
    const flags = ["--active-health-check-interval", "0"];
    await using sluice = await startHttpInside([origin.address], ...flags);
    assert.deepEqual(await answersTo(sluice.port, 1), ["origin"]);
    assert.equal(origin.requests.length, 1);
  });
});

test("--hc-freq tries to connect and asks for nothing", async () => {
  await using origin = await startOrigin();
  await using sluice = await startHttpInside([origin.address], "--hc-freq", INTERVAL);
  await until("two checks have come", () => origin.connectionCount >= 2);
  assert.equal(origin.requests.length, 0);
  assert.deepEqual(await answersTo(sluice.port, 1), ["origin"]);
});

test("--balance chooses the policy", async () => {
  await using one = await startOrigin({ name: "one" });
  await using two = await startOrigin({ name: "two" });
  const flags = ["--balance", "ketama"];
  await using sluice = await startHttpInside([one.address, two.address], ...flags);
  assert.equal(new Set(await answersTo(sluice.port, 6)).size, 1);
});

test("--idle-timeout ends connections that carry nothing", async () => {
  await using origin = await startOrigin();
  await using sluice = await startHttpInside([origin.address], "--idle-timeout", "0.2");
  await using client = await connectRaw(sluice.port);
  const { status } = await client.exchange("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  assert.equal(status, 200);
  assert.equal(await withDeadline(client.closed, patience, () => "the end of the connection"), "end");
});

test("--admin opens the API", async () => {
  await using origin = await startOrigin();
  await using sluice = await startHttpInside([origin.address], "--admin", "127.0.0.1:0");
  const [, address] = await sluice.line(/"event":"api","address":"http:\/\/([^"]+)"/);
  const response = await fetch(`http://${address}/version`);
  assert.equal(response.status, 200);
});
