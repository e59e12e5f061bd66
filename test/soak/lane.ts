import type { Socket } from "node:net";
import { PatternVerifier } from "../kit/pattern.ts";
import { checkHead, judgeComplete, parseResponseHead, type ResponseHead, refusalOutcome } from "./judge.ts";
import type { Ledger, Outcome } from "./ledger.ts";
import { type MessageHandler, MessageReader } from "./message-reader.ts";
import { answerSeed, encodeTarget, uploadSeed } from "./order.ts";
import { PatternSender } from "./pattern-sender.ts";
import type { Burst, Leaving, Plan, Planner } from "./plan.ts";
import { connectWire, type Identity, resetWire } from "./wires.ts";

/** What a lane wants of its client. */
export interface LaneOwner {
  readonly port: number;
  /** Null where clients speak without TLS. */
  readonly tls: Identity | null;
  readonly ledger: Ledger;
  /** How many requests are still to be made, counted down by who makes them. */
  remaining: number;
  onIdle(lane: AnyLane): void;
}

/** A client that sends its next requests when it has the answers to the last, whatever it speaks. */
export interface AnyLane {
  readonly isOpen: boolean;
  /** Milliseconds since the requests under way were sent; 0 when there are none. */
  readonly waiting: number;
  /** The request whose answer is awaited. */
  readonly current: Plan | undefined;
  /** Sends the next burst, or comes to rest. */
  go(): void;
  /** What is under way is past waiting for. */
  giveUp(): void;
}

/** One for all connections: the bytes are looked at before the next read. */
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);

/** A client with one connection at a time: sends a burst, checks every byte of the answers, sends the next. */
export class Lane implements MessageHandler, AnyLane {
  readonly #owner: LaneOwner;
  readonly #planner: Planner;
  #socket: Socket | null = null;
  #reader: MessageReader = new MessageReader(this);
  #burst: Burst | null = null;
  /** What was asked last on this connection before the burst. */
  #before: Plan | null = null;
  #lastPlan: Plan | null = null;
  /** Which request of the burst is answered next. */
  #next = 0;
  #burstStart = 0;
  #head: ResponseHead | null = null;
  #verifier: PatternVerifier | null = null;
  #received = 0;
  #uploading = false;
  #awaitsContinue = false;
  #wasReset = false;

  constructor(owner: LaneOwner, planner: Planner) {
    this.#owner = owner;
    this.#planner = planner;
  }

  get isOpen(): boolean {
    return this.#socket !== null;
  }

  /** Milliseconds since the requests under way were sent; 0 when there are none. */
  get waiting(): number {
    return this.#burst === null ? 0 : performance.now() - this.#burstStart;
  }

  /** The request whose answer is awaited. */
  get current(): Plan | undefined {
    return this.#burst?.plans[this.#next];
  }

  /** Sends the next burst, or comes to rest. */
  go(): void {
    const owner = this.#owner;
    if (owner.remaining === 0) {
      this.#close();
      owner.onIdle(this);
      return;
    }
    this.#before = this.#socket === null ? null : this.#lastPlan;
    const burst = this.#planner.nextBurst(owner.remaining);
    this.#lastPlan = burst.plans.at(-1)!;
    owner.remaining -= burst.plans.length;
    owner.ledger.counts.started += burst.plans.length;
    this.#burst = burst;
    this.#next = 0;
    this.#burstStart = performance.now();
    if (this.#socket === null) this.#open();
    else this.#send();
  }

  #open(): void {
    this.#owner.ledger.counts.connections++;
    this.#reader = new MessageReader(this);
    this.#head = null;
    this.#wasReset = false;
    const callback = (size: number, buffer: Uint8Array): boolean => {
      if (this.#socket === socket) this.#read((buffer as Buffer).subarray(0, size));
      return !socket.isPaused();
    };
    const { port, tls } = this.#owner;
    const options = { port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true };
    const onread = { buffer: readBuffer, callback };
    const socket = connectWire({ ...options, onread }, tls, () => {
      if (this.#socket === socket) this.#send();
    });
    this.#socket = socket;
    socket.on("end", () => this.#socket === socket && this.#lost(false));
    socket.on("error", () => this.#socket === socket && this.#lost(true));
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

  #send(): void {
    const socket = this.#socket!;
    const { plans, halfClose } = this.#burst!;
    const last = plans.at(-1)!;
    socket.write(plans.map(requestHead).join(""), "latin1");
    this.#uploading = last.order.upload >= 0;
    this.#awaitsContinue = last.expectsContinue;
    if (this.#uploading && !this.#awaitsContinue) this.#upload(last);
    if (halfClose && !this.#uploading) socket.end();
    if (last.leaving?.when === "waiting") this.#leaveLater(last.leaving);
  }

  #upload(plan: Plan): void {
    const socket = this.#socket!;
    const { order, chunkedUpload: chunked, leaving } = plan;
    const stopAt = leaving?.when === "upload" ? leaving.at : Number.POSITIVE_INFINITY;
    const body = { seed: uploadSeed(order), size: order.upload, chunked, stopAt };
    new PatternSender(socket, body, () => {
      if (this.#socket !== socket) return;
      if (leaving?.when === "upload") this.#leave(leaving);
      else this.#uploading = false;
    }).start();
  }

  #leaveLater(leaving: Leaving): void {
    const burst = this.#burst;
    setTimeout(() => {
      if (this.#burst === burst) this.#leave(leaving);
    }, leaving.at);
  }

  #leave({ how }: Leaving): void {
    const socket = this.#drop();
    if (how === "reset") resetWire(socket);
    else if (how === "destroy") socket.destroy();
    else {
      socket.end();
      // What still comes is read, as by somebody who shuts down in an orderly way; but nobody waits for it for long.
      socket.resume();
      setTimeout(() => socket.destroy(), 20);
    }
    this.#settleRest("left");
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  #read(bytes: Buffer): void {
    try {
      this.#reader.feed(bytes);
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  onHead(text: string): number {
    const plan = this.current;
    if (plan === undefined) throw new Error(`an answer to nothing: ${JSON.stringify(text.slice(0, 100))}`);
    const head = parseResponseHead(text);
    this.#head = head;
    this.#received = 0;
    if (head.status === 100 && plan.order.upload >= 0) return 0;
    const length = checkHead(head, plan);
    this.#verifier = head.id === null ? null : new PatternVerifier(answerSeed(plan.order));
    return length;
  }

  onBody(bytes: Buffer): void {
    const plan = this.current!;
    const before = this.#received;
    this.#verifier?.write(bytes);
    this.#received += bytes.length;
    this.#owner.ledger.counts.bodyBytes += bytes.length;
    const { leaving, pauseAt } = plan;
    if (leaving?.when === "body" && this.#received > leaving.at) this.#leave(leaving);
    else if (pauseAt >= before && pauseAt < this.#received) this.#pause(plan.pauseFor);
  }

  #pause(milliseconds: number): void {
    const socket = this.#socket!;
    socket.pause();
    setTimeout(() => socket.resume(), milliseconds);
  }

  onMessage(): void {
    const { order } = this.current!;
    const head = this.#head!;
    this.#head = null;
    if (head.status === 100) this.#continue();
    else
      this.#answered(head, head.id === null ? refusalOutcome(order)! : judgeComplete(order, this.#received));
  }

  /** Some servers say it without being asked. */
  #continue(): void {
    if (!this.#awaitsContinue) return;
    this.#awaitsContinue = false;
    this.#upload(this.current!);
  }

  #answered(head: ResponseHead, outcome: Outcome): void {
    const { plans, lastOfConnection, halfClose } = this.#burst!;
    this.#owner.ledger.settle(outcome);
    this.#next++;
    const isLast = this.#next === plans.length;
    // Whoever is answered before the upload is through stops it and goes.
    const isEarly = isLast && (this.#uploading || this.#awaitsContinue);
    if (head.closes || isEarly || (isLast && (lastOfConnection || halfClose))) {
      this.#close();
      this.#settleRest("unanswered");
    } else if (isLast) this.#finish();
  }

  /** The request under way is past waiting for. */
  giveUp(): void {
    this.#drop().destroy();
    this.#owner.ledger.settle("wrong");
    this.#next++;
    this.#settleRest("unanswered");
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #lost(byReset: boolean): void {
    this.#wasReset = byReset;
    if (this.#burst === null) this.#lostIdle();
    else if ((byReset || this.#missesResets) && this.#isOvertaken) this.#cut();
    else if (this.#head === null) this.#fail("the connection was closed without an answer");
    else if (this.#reader.endsWithConnection && !byReset) this.#endUntilClose();
    else if (this.current!.order.fault === "cut") this.#cut();
    else this.#fail(`the answer was cut after ${this.#received} bytes`);
  }

  /** To cut a body that the end of the connection would complete, only a reset will do; it may overtake earlier answers. */
  get #isOvertaken(): boolean {
    const last = this.#burst!.plans.at(-1)!;
    return last.isHttp10 && last.order.fault === "cut";
  }

  /** Whoever ends a connection over TLS writes once more: that write is told of the reset then, and the read of an end. */
  get #missesResets(): boolean {
    return this.#owner.tls !== null && this.#burst!.halfClose;
  }

  #cut(): void {
    this.#drop().destroy();
    this.#owner.ledger.settle("cut");
    this.#next++;
    this.#settleRest("unanswered");
  }

  /** Nobody has a reason to close a connection that is idle for less than a turn of the loop. */
  #lostIdle(): void {
    this.#owner.ledger.violation("an idle connection was closed", null);
    this.#drop().destroy();
  }

  #endUntilClose(): void {
    try {
      this.onMessage();
    } catch (error) {
      this.#fail((error as Error).message);
      return;
    }
    if (this.#socket !== null) this.#close();
  }

  #fail(text: string): void {
    const how = this.#wasReset ? " (reset)" : "";
    const place = `${this.#next + 1} of ${this.#burst?.plans.length ?? 0}`;
    const before =
      this.#before === null ? "on a new connection" : `after ${JSON.stringify(this.#before.order)}`;
    this.#owner.ledger.violation(`${text}${how}; ${place} ${before}`, this.current ?? null);
    this.giveUp();
  }

  /** The requests that got no answer count as `outcome`. */
  #settleRest(outcome: Outcome): void {
    const open = (this.#burst?.plans.length ?? 0) - this.#next;
    for (let i = 0; i < open; i++) this.#owner.ledger.settle(outcome);
    this.#finish();
  }

  #finish(): void {
    this.#burst = null;
    // A fresh turn, so that one connection can't keep the others waiting.
    setImmediate(() => this.go());
  }

  #drop(): Socket {
    const socket = this.#socket!;
    this.#socket = null;
    this.#reader.stop();
    return socket;
  }

  #close(): void {
    if (this.#socket === null) return;
    const socket = this.#drop();
    // Ends as the other side ended or shall end: by FIN, without a word lost.
    socket.end();
    socket.resume();
    setTimeout(() => socket.destroy(), 1000).unref();
  }
}

function requestHead(plan: Plan): string {
  const { order, isHttp10, chunkedUpload, expectsContinue } = plan;
  const line = `${order.method} ${encodeTarget(order)} HTTP/1.${isHttp10 ? 0 : 1}\r\nHost: soak.test\r\n`;
  if (order.upload < 0) return `${line}\r\n`;
  const framing = chunkedUpload ? "Transfer-Encoding: chunked" : `Content-Length: ${order.upload}`;
  return `${line}${framing}\r\n${expectsContinue ? "Expect: 100-continue\r\n" : ""}\r\n`;
}
