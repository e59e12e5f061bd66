import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { until } from "../../../test/kit/deadline.ts";
import { listen } from "../../../test/kit/ports.ts";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { seededRandom } from "../../base/random.ts";
import { RedisLink } from "./redis-link.ts";

/** Connects as a Redis would; whether it says anything is up to the test. */
class FakeRedis {
  answers = true;
  connections = 0;
  readonly sockets = new Set<Socket>();
  readonly server: Server = createServer((socket) => {
    this.connections++;
    this.sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("data", () => {
      if (this.answers) socket.write("+PONG\r\n");
    });
  });

  dropAll(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }
}

describe("the link to a Redis", () => {
  const redis = new FakeRedis();
  const clock = new ManualAlarmClock();
  const events: string[] = [];
  let url = "";
  let link: RedisLink;

  before(async () => {
    url = `redis://127.0.0.1:${await listen(redis.server)}`;
    link = new RedisLink(url, {
      ...{ clock, random: seededRandom("a") },
      onAway: (reason) => events.push(`away: ${reason}`),
      onBack: () => events.push("back"),
    });
    link.watch({ onAway: () => events.push("told") });
    await link.begun;
  });

  after(async () => {
    link.close();
    redis.server.close();
    await once(redis.server, "close");
  });

  function news(): string[] {
    return events.splice(0);
  }

  test("connects once, without being asked", async () => {
    assert.equal(await link.ask(["PING"]), "PONG");
    assert.deepEqual([redis.connections, link.isAway, news()], [1, false, []]);
  });

  test("is away when an answer takes too long, and back when it comes", async () => {
    redis.answers = false;
    const asked = link.ask(["PING"]);
    link.giveUpOn(100);
    link.giveUpOn(100);
    assert.deepEqual([link.isAway, news()], [true, ["away: no answer within 100 ms", "told"]]);
    for (const socket of redis.sockets) socket.write("+PONG\r\n");
    assert.equal(await asked, "PONG");
    assert.deepEqual([link.isAway, news()], [false, ["back"]]);
    clock.advance(60_000);
    assert.deepEqual([redis.connections, news()], [1, []]);
  });

  test("gives a connection up that stays silent, and tries others until one answers", async () => {
    const asked = assert.rejects(link.ask(["PING"]));
    link.giveUpOn(100);
    clock.advance(2000);
    await asked;
    for (let tries = 2; tries <= 4; tries++) {
      await until("it has let go of one and connected again", () => {
        clock.advance(250);
        return redis.connections === tries && redis.sockets.size === 1;
      });
      // Connected, but nobody answers.
      assert.equal(link.isAway, true);
    }
    assert.deepEqual(news(), ["away: no answer within 100 ms", "told"]);
    redis.answers = true;
    await until("it is back", () => {
      clock.advance(250);
      return !link.isAway;
    });
    assert.deepEqual([await link.ask(["PING"]), news()], ["PONG", ["back"]]);
  });

  test("comes back with growing pauses when it is lost", async () => {
    redis.connections = 0;
    redis.dropAll();
    await until("it is away", () => link.isAway);
    clock.advance(20);
    assert.equal(redis.connections, 0);
    clock.advance(30);
    await until("it is back", () => !link.isAway);
    assert.equal(redis.connections, 1);
    assert.match(news().join(), /^away: .*,told,back$/);
  });

  test("rejects what was asked when it is closed, and asks no more", async () => {
    redis.answers = false;
    const asked = assert.rejects(link.ask(["PING"]));
    link.close();
    await asked;
    await assert.rejects(link.ask(["PING"]));
    clock.advance(60_000);
    assert.deepEqual([redis.connections, link.isAway, news()], [1, true, ["told"]]);
  });
});
