import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { IncomingBody } from "./incoming-body.ts";

function setUp(): { body: IncomingBody; log: string[] } {
  const log: string[] = [];
  const body = new IncomingBody({
    pause: () => log.push("pause"),
    resume: () => log.push("resume"),
    cancel: () => log.push("cancel"),
  });
  return { body, log };
}

const text = async (body: IncomingBody): Promise<string> =>
  Buffer.concat(await Array.fromAsync(body)).toString();

describe("an incoming body", () => {
  test("is read as it comes, and what came before", async () => {
    const { body, log } = setUp();
    body.push(Buffer.from("a"));
    const all = text(body);
    body.push(Buffer.from("b"));
    await new Promise(setImmediate);
    body.push(Buffer.from("c"));
    body.finish();
    assert.equal(await all, "abc");
    assert.deepEqual(log, []);
    assert.deepEqual(await body.next(), { value: undefined, done: true });
  });

  test("answers several reads that wait, in order", async () => {
    const { body } = setUp();
    const reads = [body.next(), body.next(), body.next()];
    body.push(Buffer.from("a"));
    body.push(Buffer.from("b"));
    body.finish();
    const values = (await Promise.all(reads)).map(({ value }) => value?.toString());
    assert.deepEqual(values, ["a", "b", undefined]);
  });

  test("pauses its source when 64 KiB wait, until all of it is read", async () => {
    const { body, log } = setUp();
    body.push(Buffer.alloc(60_000));
    assert.deepEqual(log, []);
    body.push(Buffer.alloc(60_000));
    body.push(Buffer.alloc(1));
    assert.deepEqual(log, ["pause"]);
    await body.next();
    // Said again: somebody is reading.
    assert.deepEqual(log, ["pause", "pause"]);
    await body.next();
    await body.next();
    assert.deepEqual(log, ["pause", "pause", "pause", "resume"]);
  });

  test("gives whole pieces before its end, but none before a failure", async () => {
    const { body } = setUp();
    body.push(Buffer.from("a"));
    const failure = new Error("cut");
    body.fail(failure);
    await assert.rejects(body.next(), failure);
    await assert.rejects(body.next(), failure);
    body.fail(new Error("later"));
    body.push(Buffer.from("b"));
    await assert.rejects(body.next(), failure);
  });

  test("fails those who wait", async () => {
    const { body } = setUp();
    const read = body.next();
    body.fail(new Error("cut"));
    await assert.rejects(read, /cut/);
  });

  test("is cancelled by whoever stops to read", async () => {
    const { body, log } = setUp();
    body.push(Buffer.from("a"));
    body.push(Buffer.from("b"));
    for await (const _piece of body) break;
    assert.deepEqual(log, ["cancel"]);
    assert.equal((await body.next()).done, true);
    body.cancel();
    assert.deepEqual(log, ["cancel"]);
  });

  test("has nothing to cancel when it is over", async () => {
    const { body, log } = setUp();
    body.push(Buffer.from("a"));
    body.finish();
    body.cancel();
    assert.deepEqual(log, []);
    assert.equal((await body.next()).done, true);
  });
});
