import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { connectRaw, type RawClient, type RawClientOptions } from "../kit/raw-client.ts";
import { GET, visitSecurely } from "../kit/tls-client.ts";
import { get } from "./sluice.ts";

/** Milliseconds between two visits of one visitor: enough of them, and a processor left for others. */
const PAUSE = 10;

/** Somebody who comes again and again. */
export interface Visitor {
  /** Rejects when a visit fails. */
  visit(): Promise<void>;
  /** Closes what he still has open. */
  leave?(): void;
}

/** Several visitors, each in his own way. */
export class SteadyVisitors implements AsyncDisposable {
  readonly #lanes: { visits: number; failures: unknown[]; readonly name: string }[] = [];
  readonly #work: Promise<void>[] = [];
  #isOver = false;

  send(name: string, visitor: Visitor): void {
    const lane = { visits: 0, failures: [] as unknown[], name };
    this.#lanes.push(lane);
    this.#work.push(this.#comeAgain(lane, visitor));
  }

  async #comeAgain(lane: { visits: number; failures: unknown[] }, visitor: Visitor): Promise<void> {
    while (!this.#isOver) {
      try {
        await visitor.visit();
        lane.visits++;
      } catch (error) {
        lane.failures.push(error);
      }
      await delay(PAUSE);
    }
    visitor.leave?.();
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
export function comesAnew(port: number): Visitor {
  return { visit: async () => expectOk((await get(port)).status) };
}

/** One connection for as long as the server keeps it: until an answer says that it is the last. */
export function keepsAlive(port: number, options: RawClientOptions = {}): Visitor {
  let kept: RawClient | null = null;
  const visit = async (): Promise<void> => {
    const client = kept ?? (await connectRaw(port, options));
    kept = null;
    const { status, headers } = await client.exchange("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    expectOk(status);
    if (headers.some(([name, value]) => /^connection$/i.test(name) && /close/i.test(value)))
      await client[Symbol.asyncDispose]();
    else kept = client;
  };
  return { visit, leave: () => void kept?.[Symbol.asyncDispose]() };
}

/**
 * One HTTP/2 connection without TLS, until the server says that it is to go away. A request that crosses with that and was refused is
 * sent again, as every client of HTTP/2 does (RFC 9113 §8.7): nobody has seen it.
 */
export function speaksHttp2(port: number): Visitor {
  let session: ClientHttp2Session | null = null;
  const visit = async (): Promise<void> => {
    for (let isAnswered = false; !isAnswered; ) {
      if (session === null || session.closed || session.destroyed) {
        session = connectHttp2(`http://127.0.0.1:${port}`);
        session.on("error", () => undefined);
      }
      isAnswered = await isAnsweredOn(session);
    }
  };
  return { visit, leave: () => session?.close() };
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
export function resumesSession(port: number): Visitor {
  let session: Buffer | null = null;
  const visit = async (): Promise<void> => {
    const options = session === null ? {} : { session };
    const { answer, resumed, session: given } = await visitSecurely(port, options, GET);
    if (!answer.startsWith("HTTP/1.1 200")) throw new Error(`answer ${answer}`);
    if (session !== null && !resumed) throw new Error("the session wasn't taken up");
    session = given ?? session;
  };
  return { visit };
}
