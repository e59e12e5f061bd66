import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CHUNKED, type MessageHandler, MessageReader } from "../soak/message-reader.ts";
import { Soak, type SoakReport } from "../soak/run.ts";

/** Notes what a reader tells. */
class Notes implements MessageHandler {
  readonly notes: string[] = [];
  #body = "";

  onHead(head: string): number {
    this.notes.push(head);
    const [, length] = /length: (\d+)/.exec(head) ?? [];
    return /chunked/.test(head) ? CHUNKED : Number(length ?? 0);
  }

  onBody(bytes: Buffer): void {
    this.#body += bytes.toString();
  }

  onMessage(): void {
    this.notes.push(this.#body);
    this.#body = "";
  }
}

describe("the reader of the long run", () => {
  const text =
    "one\r\n\r\ntwo\r\nlength: 3\r\n\r\nabcsix\r\nchunked\r\n\r\n3\r\ndef\r\nA\r\n0123456789\r\n0\r\n\r\n";
  const expected = ["one", "", "two\r\nlength: 3", "abc", "six\r\nchunked", "def0123456789"];

  test("finds the same messages wherever their bytes are split", () => {
    for (let first = 0; first < text.length; first++) {
      const handler = new Notes();
      const reader = new MessageReader(handler);
      const second = Math.ceil((first + text.length) / 2);
      for (const piece of [text.slice(0, first), text.slice(first, second), text.slice(second)]) {
        reader.feed(Buffer.from(piece));
      }
      assert.deepEqual(handler.notes, expected, `split at ${first}`);
    }
  });

  test("refuses framing that is not quite right", () => {
    for (const body of ["g\r\n", "1 \r\n", "1\n", "1\r\nab\r\n", "0\r\nx: y\r\n\r\n", "\r\n"]) {
      const reader = new MessageReader(new Notes());
      assert.throws(() => reader.feed(Buffer.from(`chunked\r\n\r\n${body}`)), Error, JSON.stringify(body));
    }
  });
});

const REQUESTS = 3_000;

/** The long run's tools on a short run: that they still work, and that they find what is wrong. */
async function soak(program?: string): Promise<{ report: SoakReport; lines: readonly string[] }> {
  const lines: string[] = [];
  const file = program === undefined ? undefined : join(import.meta.dirname, "../soak/programs", program);
  const onLine = (line: string): void => void lines.push(line);
  const run = new Soak({ requests: REQUESTS, threads: 2, connections: 64, seed: 7, program: file, onLine });
  return { report: await run.run(), lines };
}

describe("a short soak", () => {
  test("finds nothing wrong with the plain proxy", async () => {
    const { report, lines } = await soak();
    assert.deepEqual(report.problems, [], lines.join("\n"));
    const { outcomes } = report.client;
    assert.equal(report.client.started, REQUESTS);
    for (const [outcome, count] of Object.entries(outcomes)) {
      if (outcome !== "wrong" && outcome !== "raced") assert.ok(count > 10, `${outcome} ${count}`);
    }
  });

  test("finds nothing wrong with a program that filters every body", async () => {
    const { report, lines } = await soak("filtering.ts");
    assert.deepEqual(report.problems, [], lines.join("\n"));
  });

  test("finds a proxy out that changes one byte in thousands of chunks", async () => {
    const { report, lines } = await soak("lying.ts");
    assert.notDeepEqual(report.problems, []);
    assert.ok(report.client.violations > 3, `${report.client.violations} found`);
    assert.match(lines.join("\n"), /VIOLATION client: the body differs at byte \d+/);
  });
});
