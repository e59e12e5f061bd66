import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CopiedBody } from "./copied-body.ts";

function setUp(most = 10): { body: CopiedBody; given: string[]; send: (text: string) => void } {
  const given: string[] = [];
  const body = new CopiedBody(most, (reason) => given.push(reason.message));
  const shared = Buffer.alloc(100);
  const send = (text: string): void => {
    const end = 3 + shared.write(text, 3, "latin1");
    body.onBytes(shared, 3, end);
    // What was borrowed is overwritten at once.
    shared.fill("#");
  };
  return { body, given, send };
}

async function textOf(body: CopiedBody): Promise<string> {
  return Buffer.concat(await Array.fromAsync(body.content)).toString();
}

describe("a copied body", () => {
  test("is read as it came", async () => {
    const { body, given, send } = setUp();
    const text = textOf(body);
    for (const piece of ["one ", "two ", "three"]) {
      send(piece);
      await new Promise(setImmediate);
    }
    assert.equal(body.isTaken, false);
    body.onEnd();
    assert.equal(await text, "one two three");
    assert.ok(body.isTaken);
    assert.deepEqual(given, []);
  });

  test("waits for its reader, as many bytes as were allowed", async () => {
    const { body, given, send } = setUp(10);
    send("01234");
    send("56789");
    body.onEnd();
    assert.equal(body.isTaken, false);
    assert.equal(await textOf(body), "0123456789");
    assert.deepEqual(given, []);
  });

  test("is given up with one more, and keeps nothing", async () => {
    const { body, given, send } = setUp(10);
    send("0123456789");
    send("x");
    send("y");
    assert.deepEqual([given, body.content.waiting], [["the other server is too slow"], 0]);
    body.onAbort();
    body.onEnd();
    await assert.rejects(textOf(body), /too slow/);
    assert.equal(given.length, 1);
    assert.equal(body.isTaken, false);
  });

  test("isn't whole when the request is broken off", async () => {
    const { body, given, send } = setUp();
    const text = textOf(body);
    send("half");
    body.onAbort();
    await assert.rejects(text, /broken off/);
    assert.deepEqual(given, ["the request was broken off"]);
  });

  test("lets go of everything when nobody sends it", () => {
    const { body, given, send } = setUp();
    send("lost");
    body.close();
    send("lost too");
    body.onAbort();
    body.close();
    assert.deepEqual([body.content.waiting, given], [0, []]);
  });
});
