import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { threadAlarms } from "../../src/base/alarms.ts";
import type { RetryPolicy } from "../../src/proxy/retries.ts";
import { createRandom, type Random } from "../kit/random.ts";
import type { RawClient } from "../kit/raw-client.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import type { RawConnection } from "../kit/raw-origin.ts";
import { Cluster } from "./cluster.ts";
import { request } from "./proxy.ts";

const REQUESTS = 400;
const CLIENTS = 20;

/** What a server does with a request, or with a connection before there is one. */
const DEEDS = [
  "answer",
  "answer",
  "answer",
  "answer in chunks",
  "answer in chunks",
  "answer late",
  "be busy",
  "close",
  "reset",
  "close within the head",
  "close within the body",
  "reset after an interim response",
  "talk nonsense",
  "say nothing",
] as const;

type Deed = (typeof DEEDS)[number];

/** Servers that do anything, and remember what they were asked. */
class Origin {
  /** How often each POST arrived whole, by its number. */
  readonly posted = new Map<string, number>();
  readonly problems: string[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  readonly script = async (connection: RawConnection): Promise<void> => {
    for (;;) {
      // Some don't even wait for the whole request.
      if (this.#random.next() < 0.15) {
        await connection.readHead();
        connection.reset();
        return;
      }
      const asked = await connection.readRequest();
      this.#note(asked);
      await act(this.#random.pick(DEEDS), asked, connection);
    }
  };

  #note(asked: RawRequest): void {
    const id = asked.header("x-id") ?? "";
    const wanted = asked.method === "POST" ? `body of ${id} `.repeat(50) : "";
    if (asked.body.toString() !== wanted) this.problems.push(`${id} came as ${asked.body.length} bytes`);
    if (asked.method === "POST") this.posted.set(id, (this.posted.get(id) ?? 0) + 1);
  }
}

async function act(deed: Deed, asked: RawRequest, connection: RawConnection): Promise<void> {
  const text = `answer to ${asked.header("x-id")} `.repeat(20);
  const whole = `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  const chunk = `${text.length.toString(16)}\r\n${text}\r\n`;
  const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
  if (deed === "answer") await connection.write(whole);
  else if (deed === "answer in chunks") await connection.write(chunked);
  else if (deed === "answer late") {
    await delay(15);
    await connection.write(whole);
  } else if (deed === "be busy") {
    await connection.write("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
  } else if (deed === "close") connection.end();
  else if (deed === "reset") connection.reset();
  else if (deed === "close within the head") connection.end("HTTP/1.1 20");
  else if (deed === "close within the body") connection.end(whole.slice(0, -30));
  else if (deed === "reset after an interim response") {
    await connection.write("HTTP/1.1 103 Early Hints\r\n\r\n");
    connection.reset();
  } else if (deed === "talk nonsense") connection.end("good morning\r\n\r\n");
}

/** Sends a request in one of many ways; true when its response came whole. */
async function ask(client: RawClient, id: string, random: Random): Promise<"answered" | "busy" | "broken"> {
  const body = `body of ${id} `.repeat(50);
  const isPost = random.next() < 0.5;
  const pieces = isPost ? inPieces(body, id, random) : [request("GET /", `X-Id: ${id}`)];
  const read = client.readResponse();
  read.catch(() => undefined);
  try {
    for (const piece of pieces) {
      await client.write(piece);
      if (random.next() < 0.3) await delay(random.below(8));
      if (random.next() < 0.02) client.reset();
    }
    const response = await read;
    if (response.status === 200) assert.equal(response.body.toString(), `answer to ${id} `.repeat(20));
    return response.status === 200 ? "answered" : "busy";
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    client.destroy();
    return "broken";
  }
}

function inPieces(body: string, id: string, random: Random): string[] {
  const cut = 1 + random.below(body.length - 2);
  const halves = [body.slice(0, cut), body.slice(cut)];
  if (random.next() < 0.5)
    return [request("POST /", `X-Id: ${id}`, `Content-Length: ${body.length}`), ...halves];
  const chunks = halves.map((half) => `${half.length.toString(16)}\r\n${half}\r\n`);
  return [request("POST /", `X-Id: ${id}`, "Transfer-Encoding: chunked"), ...chunks, "0\r\n\r\n"];
}

/** Everything at once. */
const ALL: Partial<RetryPolicy> = {
  maxTries: 6,
  onConnectFailure: true,
  onReset: true,
  onTimeout: true,
  onStatus: [{ first: 503, last: 503 }],
};

const POLICIES: Readonly<Record<string, Partial<RetryPolicy>>> = {
  // Nothing is asked again: on a busy machine most of what takes a while would time out.
  "no policy": { tryTimeout: 300 },
  "a policy with every condition": { ...ALL, tryTimeout: 40 },
  "a policy with waits": { ...ALL, tryTimeout: 40, backoff: 4, longestBackoff: 10 },
  "a policy with hedges": { ...ALL, tryTimeout: 60, hedgeAfter: 5 },
};

describe("servers that do anything", () => {
  for (const [name, retries] of Object.entries(POLICIES)) {
    test(`never make a mess of a request, with ${name}`, async () => {
      const random = createRandom(name.length);
      const origin = new Origin(random);
      const members = [origin.script, origin.script, "nobody", origin.script] as const;
      await using cluster = await Cluster.start(members, { retries, alarms: threadAlarms });
      cluster.gate.most = 8;
      const outcomes = { answered: 0, busy: 0, broken: 0 };
      let next = 0;
      const run = async (): Promise<void> => {
        let client = await cluster.proxy.connect();
        while (next < REQUESTS) {
          const outcome = await ask(client, `${next++}`, random);
          outcomes[outcome]++;
          if (outcome !== "broken" && random.next() < 0.7) continue;
          client.destroy();
          client = await cluster.proxy.connect();
        }
        client.destroy();
      };
      await Promise.all(Array.from({ length: CLIENTS }, run));
      await cluster.proxy.settled();
      assert.deepEqual(origin.problems, []);
      const twice = [...origin.posted].filter(([, times]) => times > 1);
      assert.deepEqual(twice, [], "a POST that had arrived whole was repeated");
      assert.ok(outcomes.answered > REQUESTS / 20, JSON.stringify(outcomes));
      assert.ok(retries.onReset !== true || cluster.gate.entered > 20, "nothing was repeated");
      assert.ok(retries.hedgeAfter === undefined || cluster.proxy.count("hedges") > 10, "nothing was hedged");
    });
  }
});
