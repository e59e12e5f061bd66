import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import { GET, visitSecurely } from "../kit/tls-client.ts";
import { get } from "./sluice.ts";

/** Milliseconds between two visits of one visitor: enough of them, and a processor left for others. */
const PAUSE = 4;

/** Somebody who comes again and again until he is disposed of, and remembers what went wrong. */
export interface Visitor {
  readonly visits: number;
  readonly failures: readonly unknown[];
}

/** Several visitors, each in his own way. */
export class SteadyVisitors implements AsyncDisposable {
  readonly #lanes: { visits: number; failures: unknown[]; readonly name: string }[] = [];
  readonly #work: Promise<void>[] = [];
  #isOver = false;

  /** @param visit one visit; rejects when it fails */
  send(name: string, visit: () => Promise<void>): void {
    const lane = { visits: 0, failures: [] as unknown[], name };
    this.#lanes.push(lane);
    this.#work.push(this.#comeAgain(lane, visit));
  }

  async #comeAgain(lane: { visits: number; failures: unknown[] }, visit: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      try {
        await visit();
        lane.visits++;
      } catch (error) {
        lane.failures.push(error);
      }
      await delay(PAUSE);
    }
  }

  /** By name. */
  get visits(): Record<string, number> {
    return Object.fromEntries(this.#lanes.map(({ name, visits }) => [name, visits]));
  }

  /** What went wrong, as lines. */
  get failures(): string[] {
    return this.#lanes.flatMap(({ name, failures }) => failures.map((error) => `${name}: ${String(error)}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#work);
  }
}

function expectOk(status: number | undefined): void {
  if (status !== 200) throw new Error(`status ${status}`);
}

/** A new connection each time. */
export function comesAnew(port: number): () => Promise<void> {
  return async () => expectOk((await get(port)).status);
}

/** One connection for as long as the server keeps it: until an answer says that it is the last. */
export function keepsAlive(port: number): () => Promise<void> {
  let kept: RawClient | null = null;
  return async () => {
    const client = kept ?? (await connectRaw(port));
    kept = null;
    const { status, headers } = await client.exchange("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    expectOk(status);
    if (headers.some(([name, value]) => /^connection$/i.test(name) && /close/i.test(value)))
      await client[Symbol.asyncDispose]();
    else kept = client;
  };
}

/**
 * One HTTP/2 connection without TLS, until the server says that it is to go away. A request that crosses with that and was refused is
 * sent again, as every client of HTTP/2 does (RFC 9113 §8.7): nobody has seen it.
 */
export function speaksHttp2(port: number): () => Promise<void> {
  let session: ClientHttp2Session | null = null;
  return async () => {
    for (let isAnswered = false; !isAnswered; ) {
      if (session === null || session.closed || session.destroyed) {
        session = connectHttp2(`http://127.0.0.1:${port}`);
        session.on("error", () => undefined);
      }
      isAnswered = await isAnsweredOn(session);
    }
  };
}

/** False when the request was refused. */
async function isAnsweredOn(session: ClientHttp2Session): Promise<boolean> {
  const stream = session.request({ ":path": "/" });
  try {
    const [headers] = (await once(stream, "response")) as [{ ":status"?: number }];
    stream.resume();
    await once(stream, "close");
    expectOk(headers[":status"]);
    return true;
  } catch (error) {
    if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return false;
    throw error;
  }
}

/** A new connection with TLS each time, which takes up the session of the last one. */
export function resumesSession(port: number): () => Promise<void> {
  let session: Buffer | null = null;
  return async () => {
    const options = session === null ? {} : { session };
    const { answer, resumed, session: given } = await visitSecurely(port, options, GET);
    if (!answer.startsWith("HTTP/1.1 200")) throw new Error(`answer ${answer}`);
    if (session !== null && !resumed) throw new Error("the session wasn't taken up");
    session = given ?? session;
  };
}
