import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Server } from "node:net";
import { PatternVerifier, patternView } from "../kit/pattern.ts";
import type { OriginCounts } from "./messages.ts";
import { answerSeed, type Order, parseOrder, statusOf, uploadSeed } from "./order.ts";
import type { Random } from "./random.ts";
import type { Identity } from "./wires.ts";

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
/** Milliseconds until an upload that ended too early counts as cut. */
const LATEST_RESET = 2000;

/** What origins of either version share. */
export interface OriginDesk {
  readonly counts: OriginCounts;
  readonly random: Random;
  violation(text: string): void;
}

/** A server of HTTP/2 that answers as it is asked to, and checks the uploads. */
export function createStreamOrigin(desk: OriginDesk, tls: Identity | null): Server {
  /** Orders that were refused once: they come again. */
  const refused = new Set<number>();
  const server = (
    tls === null ? createServer() : createSecureServer({ cert: tls.cert, key: tls.key })
  ) as Http2Server;
  server.on("session", (session) => watch(session, desk));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    new StreamOrder(stream, desk, refused).start(headers);
  });
  return server;
}

/** Now and then a session says GOAWAY, with requests under way or without. */
function watch(session: ServerHttp2Session, { counts, random }: OriginDesk): void {
  counts.connections++;
  counts.open++;
  session.on("error", () => {});
  const timer = setInterval(() => {
    if (!random.chance(0.2)) return;
    counts.idleCloses++;
    session.close();
    clearInterval(timer);
  }, 1_000);
  session.on("close", () => {
    counts.open--;
    clearInterval(timer);
  });
}

class StreamOrder {
  readonly #stream: ServerHttp2Stream;
  readonly #desk: OriginDesk;
  readonly #refused: Set<number>;
  #received = 0;
  #isAnswered = false;

  constructor(stream: ServerHttp2Stream, desk: OriginDesk, refused: Set<number>) {
    this.#stream = stream;
    this.#desk = desk;
    this.#refused = refused;
  }

  start(headers: IncomingHttpHeaders): void {
    const stream = this.#stream;
    stream.on("error", () => {});
    this.#guard(() => {
      const order = parseOrder(String(headers[":method"]), String(headers[":path"]));
      this.#desk.counts.requests++;
      if (order.fault === "drop-reused" && !this.#refused.delete(order.id)) {
        this.#refused.add(order.id);
        this.#breakOff(NGHTTP2_REFUSED_STREAM);
      } else this.#take(order, headers.expect === "100-continue");
    });
  }

  #take(order: Order, isAwaited: boolean): void {
    const stream = this.#stream;
    const { counts } = this.#desk;
    const refusesAtOnce = order.fault !== "none" && order.faultAt === 0;
    if (isAwaited && !refusesAtOnce) stream.additionalHeaders({ ":status": 100 });
    const verifier = new PatternVerifier(uploadSeed(order));
    stream.on("data", (bytes: Buffer) =>
      this.#guard(() => {
        verifier.write(bytes);
        this.#received += bytes.length;
        counts.uploadBytes += bytes.length;
        this.#actOn(order);
      }),
    );
    stream.on("end", () =>
      this.#guard(() => {
        if (stream.aborted || stream.rstCode !== NGHTTP2_NO_ERROR || this.#isAnswered) return;
        if (this.#received !== Math.max(order.upload, 0)) {
          this.#judgeLater(order);
          return;
        }
        if (order.upload >= 0) counts.uploads++;
        if (order.fault === "drop") this.#breakOff(NGHTTP2_INTERNAL_ERROR);
        else if (order.slow) setTimeout(() => this.#answer(order), this.#desk.random.between(1, 10));
        else this.#answer(order);
      }),
    );
    this.#actOn(order);
  }

  /**
   * Clients of Node's that cancel an upload may end it first, which nobody can tell from a shorter one before the reset comes
   * (`Http2Stream.close`). What isn't reset was cut on its way.
   */
  #judgeLater({ upload }: Order): void {
    const stream = this.#stream;
    const judge = (): void => {
      clearTimeout(late);
      if (stream.rstCode !== NGHTTP2_NO_ERROR || stream.aborted) return;
      this.#desk.violation(`an upload of ${upload} bytes ended after ${this.#received}`);
    };
    const late = setTimeout(judge, LATEST_RESET);
    stream.once("close", judge);
  }

  /** Does what was ordered for when so many bytes have come. */
  #actOn(order: Order): void {
    if (this.#isAnswered || order.upload < 0 || this.#received < order.faultAt) return;
    if (order.fault === "drop") this.#breakOff(NGHTTP2_INTERNAL_ERROR);
    else if (order.fault === "early") this.#answer(order);
  }

  #answer(order: Order): void {
    const stream = this.#stream;
    if (this.#isAnswered || stream.destroyed) return;
    this.#isAnswered = true;
    if (order.fault === "half-head") {
      this.#breakOff(NGHTTP2_CANCEL);
      return;
    }
    const status = statusOf(order);
    const hasLength = order.answer === "length" || order.fault === "early";
    const hasNone = status === 204 || status === 304;
    const length = hasLength && !hasNone ? { "content-length": order.size } : {};
    const endStream = hasNone || order.method === "HEAD";
    stream.respond({ ":status": status, "x-id": order.id, ...length }, { endStream });
    if (!endStream) this.#send(order, 0);
  }

  #send(order: Order, from: number): void {
    const stream = this.#stream;
    const stop = order.fault === "cut" ? order.faultAt : order.size;
    for (let at = from; stream.writable; ) {
      if (at === stop) {
        this.#finish(order);
        return;
      }
      const view = patternView(Math.min(16_384, stop - at), at, answerSeed(order));
      at += view.length;
      if (!stream.write(view)) {
        stream.once("drain", () => this.#send(order, at));
        return;
      }
    }
  }

  #finish(order: Order): void {
    const stream = this.#stream;
    if (order.fault === "cut") stream.write("", () => this.#cut());
    // An early answer is the end of the upload.
    else if (order.fault === "early") stream.end(() => stream.close(NGHTTP2_NO_ERROR));
    else stream.end();
  }

  /** To close the stream would end its body first. */
  #cut(): void {
    this.#desk.counts.faults++;
    this.#stream.destroy(new Error("cut on purpose"));
  }

  /** Before the head of an answer. */
  #breakOff(code: number): void {
    this.#isAnswered = true;
    this.#desk.counts.faults++;
    this.#stream.close(code);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#desk.violation((error as Error).message);
      this.#stream.close(NGHTTP2_CANCEL);
    }
  }
}
