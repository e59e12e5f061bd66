import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { PaperPlanes } from "../../test/kit/paper-planes.ts";
import { ALLOW } from "../chaos/mode.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import { Proxies } from "./proxies.ts";

const BUSY = { code: "BUSY", message: "A thread doesn't answer: something keeps it busy" };
const INIT = { name: "cache", listen: "127.0.0.1:0", upstreams: ["127.0.0.1:6379"] };

/** What was begun is done, or given up because half a minute has passed. */
async function patienceEnds<T>(work: Promise<T>): Promise<T> {
  void work.catch(() => undefined);
  for (let i = 0; i < 5; i++) {
    await new Promise(setImmediate);
    mock.timers.tick(30_000);
  }
  return await work;
}

describe("a thread that doesn't answer", () => {
  const paper = new PaperPlanes();
  const proxies = new Proxies(paper, createRegistry());
  proxies.adopt("web", "127.0.0.1:80", [], ALLOW);

  test("can't open a proxy: it is none, and is closed when the thread can again", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    paper.unanswered = new Set(["open", "close"]);
    await assert.rejects(patienceEnds(proxies.create(INIT)), BUSY);
    assert.deepEqual(
      proxies.list().map(({ name }) => name),
      ["web"],
    );
    assert.deepEqual(paper.told, ["open", "close"]);
    assert.deepEqual(paper.released.splice(0), ["cache"]);
    paper.catchUp();
    await new Promise(setImmediate);
    assert.deepEqual(paper.released.splice(0), ["cache"]);
    mock.timers.reset();
  });

  test("closes one when it can again, and keeps nobody from anything else", async () => {
    paper.unanswered = new Set();
    await proxies.create(INIT);
    mock.timers.enable({ apis: ["setTimeout"] });
    paper.unanswered = new Set(["close"]);
    await patienceEnds(proxies.remove("cache"));
    paper.unanswered = new Set();
    await proxies.create(INIT);
    paper.catchUp();
    await new Promise(setImmediate);
    assert.deepEqual(paper.released.splice(0), ["cache"]);
    assert.ok(proxies.get("cache").enabled);
    mock.timers.reset();
  });

  test("is told of to whoever switches a fault on a route", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    paper.unanswered = new Set(["httpFaults"]);
    await assert.rejects(patienceEnds(proxies.setHttpFault("web", "slow", false)), BUSY);
    assert.deepEqual(proxies.standing.listeners[0]?.switched, []);
    mock.timers.reset();
  });
});
