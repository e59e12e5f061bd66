import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from "node:http2";
import { PatternVerifier, patternView } from "../kit/pattern.ts";
import { checkHead, judgeComplete, type ResponseHead, refusalOutcome } from "./judge.ts";
import type { LaneOwner } from "./lane.ts";
import type { Outcome } from "./ledger.ts";
import { answerSeed, encodeTarget, uploadSeed } from "./order.ts";
import type { Plan, Planner } from "./plan.ts";
import type { Random } from "./random.ts";

const { NGHTTP2_CANCEL } = constants;
/** Streams that a connection carries before the client makes another one. */
const LIFETIME = { least: 200, most: 2_000 };

type ResponseHeaders = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** One session, and the streams that it has. */
interface Shared {
  readonly session: ClientHttp2Session;
  streams: number;
  isRetired: boolean;
}

/** A connection of HTTP/2 that several lanes share. */
export class SharedConnection {
  readonly #owner: LaneOwner;
  readonly #random: Random;
  #shared: Shared | null = null;
  #left = 0;

  constructor(owner: LaneOwner, random: Random) {
    this.#owner = owner;
    this.#random = random;
  }

  request(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    if (this.#shared === null || this.#left-- === 0) this.#shared = this.#open();
    const shared = this.#shared;
    shared.streams++;
    const stream = shared.session.request(headers, { endStream });
    stream.once("close", () => {
      shared.streams--;
      closeIdle(shared);
    });
    return stream;
  }

  /** It takes no more requests, and ends when its streams have. */
  close(): void {
    const shared = this.#shared;
    this.#shared = null;
    if (shared === null) return;
    shared.isRetired = true;
    closeIdle(shared);
  }

  #open(): Shared {
    this.close();
    const { port, tls, ledger } = this.#owner;
    ledger.counts.connections++;
    const options = tls === null ? {} : { ca: tls.ca, servername: "localhost" };
    const session = connect(`${tls === null ? "http" : "https"}://127.0.0.1:${port}`, options);
    const shared = { session, streams: 0, isRetired: false };
    session.setMaxListeners(0);
    session.on("error", (error) => ledger.violation(`a connection failed: ${error.message}`, null));
    session.on("goaway", (code) => {
      if (code !== 0) ledger.violation(`GOAWAY with ${code}`, null);
      if (this.#shared === shared) this.close();
    });
    this.#left = this.#random.between(LIFETIME.least, LIFETIME.most);
    return shared;
  }
}

/** Not before: Node would drop what it has of answers that nobody has read yet. */
function closeIdle({ session, streams, isRetired }: Shared): void {
  if (isRetired && streams === 0) session.close();
}

/** A client that sends requests in bursts, each as a stream of its own, and checks every byte of the answers. */
export class StreamLane {
  readonly #owner: LaneOwner;
  readonly #planner: Planner;
  readonly #connection: SharedConnection;
  readonly #visits = new Set<StreamVisit>();
  #start = 0;

  constructor(owner: LaneOwner, planner: Planner, connection: SharedConnection) {
    this.#owner = owner;
    this.#planner = planner;
    this.#connection = connection;
  }

  get isOpen(): boolean {
    return this.#visits.size > 0;
  }

  get waiting(): number {
    return this.#visits.size === 0 ? 0 : performance.now() - this.#start;
  }

  get current(): Plan | undefined {
    return [...this.#visits][0]?.plan;
  }

  giveUp(): void {
    for (const visit of this.#visits) visit.end("wrong");
  }

  /** Sends the next burst, or comes to rest. */
  go(): void {
    const owner = this.#owner;
    if (owner.remaining === 0) {
      this.#connection.close();
      owner.onIdle(this);
      return;
    }
    const { plans } = this.#planner.nextBurst(owner.remaining);
    owner.remaining -= plans.length;
    owner.ledger.counts.started += plans.length;
    this.#start = performance.now();
    for (const plan of plans) this.#visits.add(new StreamVisit(plan, owner, (visit) => this.#settled(visit)));
    for (const visit of [...this.#visits]) visit.start(this.#connection);
  }

  #settled(visit: StreamVisit): void {
    this.#visits.delete(visit);
    // A fresh turn, so that one lane can't keep the others waiting.
    if (this.#visits.size === 0) setImmediate(() => this.go());
  }
}

/** One request with its answer. */
class StreamVisit {
  readonly plan: Plan;
  readonly #owner: LaneOwner;
  readonly #onSettled: (visit: StreamVisit) => void;
  #stream: ClientHttp2Stream | null = null;
  #head: ResponseHead | null = null;
  #verifier: PatternVerifier | null = null;
  #received = 0;
  #sent = 0;
  #ended = false;
  #isOver = false;

  constructor(plan: Plan, owner: LaneOwner, onSettled: (visit: StreamVisit) => void) {
    this.plan = plan;
    this.#owner = owner;
    this.#onSettled = onSettled;
  }

  start(connection: SharedConnection): void {
    const { order, chunkedUpload, expectsContinue, leaving } = this.plan;
    const hasUpload = order.upload >= 0;
    const headers = {
      ":method": order.method,
      ":path": encodeTarget(order),
      ...(hasUpload && !chunkedUpload ? { "content-length": order.upload } : {}),
      ...(expectsContinue ? { expect: "100-continue" } : {}),
    };
    const stream = connection.request(headers, !hasUpload);
    this.#stream = stream;
    stream.on("error", () => {});
    stream.on("response", (head) => this.#guard(() => this.#onHead(head)));
    stream.on("data", (bytes: Buffer) => this.#guard(() => this.#onBody(bytes)));
    stream.on("end", () => {
      this.#ended = true;
    });
    stream.on("close", () => this.#guard(() => this.#onClose()));
    if (hasUpload && !expectsContinue) this.#upload();
    else if (hasUpload) stream.on("continue", () => this.#upload());
    if (leaving?.when === "waiting") setTimeout(() => this.#leave(), leaving.at);
  }

  #upload(): void {
    const stream = this.#stream!;
    const { order, leaving } = this.plan;
    while (!this.#isOver && stream.writable) {
      if (leaving?.when === "upload" && this.#sent >= leaving.at) {
        this.#leave();
        return;
      }
      if (this.#sent === order.upload) {
        stream.end();
        return;
      }
      const view = patternView(Math.min(16_384, order.upload - this.#sent), this.#sent, uploadSeed(order));
      this.#sent += view.length;
      if (!stream.write(view)) {
        stream.once("drain", () => this.#upload());
        return;
      }
    }
  }

  #onHead(fields: ResponseHeaders): void {
    const { plan } = this;
    const status = Number(fields[":status"]);
    const id = fields["x-id"];
    const contentLength = Number(fields["content-length"] ?? -1);
    const hasBody = status !== 204 && status !== 304;
    this.#head = {
      status,
      id: id === undefined ? null : Number(id),
      contentLength,
      // Where there is no length, the stream tells the end as chunks do.
      chunked: hasBody && contentLength === -1,
      closes: false,
    };
    checkHead(this.#head, { ...plan, isHttp10: false });
    this.#verifier = this.#head.id === null ? null : new PatternVerifier(answerSeed(plan.order));
  }

  #onBody(bytes: Buffer): void {
    const { leaving, pauseAt, pauseFor } = this.plan;
    const before = this.#received;
    this.#verifier?.write(bytes);
    this.#received += bytes.length;
    this.#owner.ledger.counts.bodyBytes += bytes.length;
    if (leaving?.when === "body" && this.#received > leaving.at) this.#leave();
    else if (pauseAt >= before && pauseAt < this.#received) {
      this.#stream!.pause();
      setTimeout(() => this.#stream?.resume(), pauseFor);
    }
  }

  #onClose(): void {
    const { order } = this.plan;
    const { rstCode } = this.#stream!;
    const head = this.#head;
    if (head !== null && this.#ended && rstCode === 0) {
      this.end(head.id === null ? refusalOutcome(order)! : judgeComplete(order, this.#received));
    } else if (head !== null && order.fault === "cut") this.end("cut");
    else throw new Error(`the stream was closed with ${rstCode} after ${this.#received} bytes`);
  }

  #leave(): void {
    if (!this.#isOver) this.end("left");
  }

  #guard(work: () => void): void {
    if (this.#isOver) return;
    try {
      work();
    } catch (error) {
      this.#owner.ledger.violation((error as Error).message, this.plan);
      this.end("wrong");
    }
  }

  end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#stream?.closed === false) this.#stream.close(NGHTTP2_CANCEL);
    this.#owner.ledger.settle(outcome);
    this.#onSettled(this);
  }
}
