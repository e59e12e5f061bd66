import assert from "node:assert/strict";
import { request as httpRequest, type RequestOptions } from "node:http";
import { after, before, describe, test } from "node:test";
import { Pool } from "undici";
import { until } from "../kit/deadline.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { type Balancer, startBalancer } from "./balancer.ts";
import { MortalServer } from "./mortal-server.ts";
import { get } from "./sluice.ts";
import { nameIn, Traffic } from "./traffic.ts";

/*
 * A balancer that survives its servers: requests flow all the time, over connections that are kept and over new ones,
 * while a server is killed, falls ill or falls silent, and comes back. Not one of them may fail.
 */

/** Patient enough for a machine with other work: one probe too late and a server is down that nobody meant. */
const HEALTH_CHECK = "health_check: { http: /health, interval: 250ms, timeout: 2s }";
const PATIENT = "retry: { on: [connect_failure, reset, timeout], try_timeout: 300ms }";
/** Requests at a time over kept connections, and over new ones. */
const LANES = 4;
/** Where one isn't enough: each has to hear what happens to servers. */
const THREADS = 2;

/** Two servers that may die, and a balancer before them. */
class Stage implements AsyncDisposable {
  readonly a: MortalServer;
  readonly b: MortalServer;
  readonly balancer: Balancer;

  private constructor(a: MortalServer, b: MortalServer, balancer: Balancer) {
    this.a = a;
    this.b = b;
    this.balancer = balancer;
  }

  static async start(threads: number, ...upstream: readonly string[]): Promise<Stage> {
    await using begun = new AsyncDisposableStack();
    const a = begun.use(await MortalServer.start());
    const b = begun.use(await MortalServer.start());
    const servers = [a.address, b.address];
    const balancer = await startBalancer({ threads, servers, upstream: [HEALTH_CHECK, ...upstream] });
    begun.move();
    return new Stage(a, b, balancer);
  }

  get port(): number {
    return this.balancer.sluice.port;
  }

  /** Waits until the balancer takes the first server for this. */
  whenA(state: string): Promise<void> {
    return this.balancer.when(this.a.address, state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.balancer[Symbol.asyncDispose]();
    await this.a[Symbol.asyncDispose]();
    await this.b[Symbol.asyncDispose]();
  }
}

/** Requests over kept connections and over new ones. */
function startTraffic({ port }: Stage): Traffic {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: LANES });
  const kept = async (): Promise<string> => {
    const { statusCode, body } = await pool.request({ method: "GET", path: "/" });
    return nameIn(statusCode, await body.text(), 0);
  };
  const fresh = async (): Promise<string> => {
    const response = await get(port);
    return nameIn(response.status, response.body.toString(), 0);
  };
  const lanes = Array.from({ length: LANES }, () => [kept, fresh]).flat();
  return new Traffic(lanes, () => pool.close());
}

/** A POST whose head is sent at once and whose body is sent when `finish` is called. */
class HesitantPost {
  readonly #request: ReturnType<typeof httpRequest>;
  readonly #answer: Promise<string>;

  constructor(port: number, options: RequestOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#answer = promise;
    this.#request = httpRequest({ ...options, host: "127.0.0.1", port, method: "POST", agent: false });
    this.#request.once("error", reject).once("response", (response) => {
      response.toArray().then((pieces: Buffer[]) => {
        resolve(nameIn(response.statusCode ?? 0, Buffer.concat(pieces).toString(), 10_000));
      }, reject);
    });
    this.#request.flushHeaders();
  }

  finish(): Promise<string> {
    this.#request.end(Buffer.alloc(10_000, "x"));
    return this.#answer;
  }
}

describe("no request fails", () => {
  describe("in two threads", () => {
    let stage: Stage;
    before(async () => {
      stage = await Stage.start(THREADS);
    });
    after(() => stage[Symbol.asyncDispose]());

    test("when a server is killed, and it gets requests again when it is back", async () => {
      const traffic = startTraffic(stage);
      await traffic.more(stage.a, 100);
      await stage.a.kill();
      await stage.whenA("down");
      await traffic.more(stage.b, 100);
      await stage.a.revive();
      await traffic.more(stage.a, 100);
      await traffic.endWell(stage.a, stage.b);
    });

    test("when a server says that it is ill", async () => {
      const traffic = startTraffic(stage);
      await traffic.more(stage.a, 100);
      await stage.a.setHealth(500);
      await stage.whenA("down");
      const before = traffic.of(stage.a);
      await traffic.more(stage.b, 100);
      assert.ok(traffic.of(stage.a) - before <= 2 * LANES, "it got more");
      await stage.a.setHealth(200);
      await traffic.more(stage.a, 100);
      await traffic.endWell(stage.a, stage.b);
    });

    test("but what was broken off is seen by its client, whoever else could have answered", async () => {
      for (let i = 0; i < 4; i++) {
        await using client = await connectRaw(stage.port);
        const whole = client.exchange("GET /cut HTTP/1.1\r\nHost: a.example\r\n\r\n");
        await assert.rejects(whole, "a truncated response was taken for a whole one");
      }
      assert.equal((await get(stage.port)).status, 200);
    });

    test("whose body wasn't sent when the server was killed", async () => {
      const framings = [{ "Content-Length": "10000" }, { "Transfer-Encoding": "chunked" }];
      const posts = Array.from({ length: 20 }, (_, i) => {
        return new HesitantPost(stage.port, { headers: framings[i % 2]! });
      });
      const underWay = async () => (await stage.balancer.servers()).map(({ requests }) => requests);
      await until("all heads are on their way", async () => {
        return (await underWay()).reduce((sum, requests) => sum + requests, 0) === posts.length;
      });
      await stage.a.kill();
      // A body that comes before the news of the connection's end would be sent to the dead.
      await until("all are with the other server", async () => (await underWay())[1] === posts.length);
      const answers = await Promise.all(posts.map((post) => post.finish()));
      assert.deepEqual(new Set(answers), new Set([String(stage.b.port)]));
    });

    test("but with all servers gone the answer is a plain 502", async () => {
      await stage.a.kill();
      await stage.b.kill();
      await until("the group is down", async () => {
        const servers = await stage.balancer.servers();
        return servers.every(({ state }) => state === "down");
      });
      stage.balancer.program.clear();
      for (let i = 0; i < 50; i++) {
        const response = await get(stage.port);
        assert.deepEqual([response.status, response.body.toString()], [502, "HTTP 502 Bad Gateway\n"]);
      }
      // Once for each thread and kind of failure at the most, not for each request.
      const { stderr } = stage.balancer.program;
      const warnings = stderr.split("\n").filter((line) => line.includes('"request":'));
      assert.ok(warnings.length <= 4 * THREADS, stderr);
    });
  });

  test("in the only thread, when a server accepts and never answers", async () => {
    await using stage = await Stage.start(1, PATIENT);
    const traffic = startTraffic(stage);
    await traffic.more(stage.a, 100);
    stage.a.freeze();
    await stage.whenA("down");
    await traffic.more(stage.b, 100);
    stage.a.thaw();
    await traffic.more(stage.a, 100);
    await traffic.endWell(stage.a, stage.b);
  });
});
