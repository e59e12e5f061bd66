// Run as a process of its own, with an OriginTask as its argument: answers as it is asked to, and checks the uploads.

import type { Socket } from "node:net";
import { PatternVerifier } from "../kit/pattern.ts";
import { listen } from "../kit/ports.ts";
import { CHUNKED, type MessageHandler, MessageReader } from "./message-reader.ts";
import { type OriginCounts, type OriginTask, readTask, tell, tellEvery } from "./messages.ts";
import { answerSeed, type Order, parseOrder, statusOf, uploadSeed } from "./order.ts";
import { PatternSender } from "./pattern-sender.ts";
import { Random } from "./random.ts";
import { createStreamOrigin } from "./stream-origin.ts";
import { createWireServer, resetWire } from "./wires.ts";

const counts: OriginCounts = {
  connections: 0,
  requests: 0,
  uploads: 0,
  uploadBytes: 0,
  faults: 0,
  idleCloses: 0,
  open: 0,
  violations: 0,
};

const task = readTask<OriginTask>();
const random = new Random(task.seed);

function violation(text: string): void {
  counts.violations++;
  if (counts.violations <= 40) tell({ type: "violation", text: `origin: ${text}` });
}

/** One connection of the proxy's. */
class OriginConnection implements MessageHandler {
  readonly #socket: Socket;
  readonly #reader: MessageReader = new MessageReader(this);
  /** The request under way. */
  #order: Order | null = null;
  #answering = false;
  #verifier: PatternVerifier | null = null;
  #received = 0;
  #served = 0;
  #lastSize = 0;
  #over = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    counts.connections++;
    counts.open++;
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("error", () => {});
    socket.on("close", () => {
      counts.open--;
      this.#over = true;
    });
  }

  #read(bytes: Buffer): void {
    if (this.#over) return;
    try {
      this.#reader.feed(bytes);
    } catch (error) {
      violation(`${(error as Error).message}; asked for ${JSON.stringify(this.#order)}`);
      this.#socket.destroy();
    }
  }

  onHead(head: string): number {
    if (this.#order !== null)
      throw new Error(`a request before the answer to the last: ${head.slice(0, 80)}`);
    const [method = "", target = ""] = head.split(" ", 2);
    const order = parseOrder(method, target);
    this.#order = order;
    counts.requests++;
    this.#received = 0;
    const length = this.#bodyLength(head, order);
    this.#verifier = new PatternVerifier(uploadSeed(order));
    const refusesAtOnce = order.fault !== "none" && order.faultAt === 0;
    if (/\r\nexpect: 100-continue/i.test(head) && !refusesAtOnce) {
      this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    // What there is to come of an upload comes to `onBody`.
    if (length !== 0) this.#actOn(0);
    return length;
  }

  #bodyLength(head: string, order: Order): number {
    const length = /\r\ncontent-length: (\d+)(?:\r\n|$)/i.exec(head);
    const chunked = /\r\ntransfer-encoding: chunked(?:\r\n|$)/i.test(head);
    if (chunked && length !== null) throw new Error("a request with two framings");
    if (chunked) return CHUNKED;
    const bytes = Number(length?.[1] ?? 0);
    if (bytes !== Math.max(order.upload, 0)) throw new Error(`a request of ${bytes} bytes`);
    return bytes;
  }

  onBody(bytes: Buffer): void {
    const order = this.#order!;
    this.#verifier!.write(bytes);
    this.#received += bytes.length;
    counts.uploadBytes += bytes.length;
    if (order.slow && this.#received > 65_536) this.#pause();
    this.#actOn(this.#received);
  }

  #pause(): void {
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), 3);
  }

  /** Does what was ordered for when so many bytes have come. */
  #actOn(received: number): void {
    const order = this.#order!;
    if (this.#answering || order.upload < 0 || received < order.faultAt) return;
    if (order.fault === "drop") this.#breakOff(order);
    else if (order.fault === "early") this.#answer(order);
  }

  onMessage(): void {
    const order = this.#order!;
    if (order.upload >= 0 && this.#received !== order.upload) {
      throw new Error(`an upload of ${order.upload} bytes ended after ${this.#received}`);
    }
    if (order.upload >= 0) counts.uploads++;
    if (this.#answering || this.#over) return;
    if (order.fault === "drop" || (order.fault === "drop-reused" && this.#served > 0)) this.#breakOff(order);
    else if (order.slow) setTimeout(() => this.#answer(order), random.between(1, 10));
    else this.#answer(order);
  }

  // ── answers ────────────────────────────────────────────────────────────────────────────────────────────────────

  #answer(order: Order): void {
    if (this.#over) return;
    this.#answering = true;
    const head = answerHead(order);
    if (order.fault === "half-head") {
      this.#socket.write(head.slice(0, random.between(1, head.length - 1)), "latin1");
      this.#breakOff(order);
    } else if (isHeadOnly(order)) {
      this.#socket.write(head, "latin1");
      this.#finish(order);
    } else if (order.slow) {
      this.#socket.write(head, "latin1");
      setTimeout(() => this.#sendBody(order), random.between(1, 10));
    } else {
      this.#socket.cork();
      this.#socket.write(head, "latin1");
      this.#sendBody(order);
      this.#socket.uncork();
    }
  }

  #sendBody(order: Order): void {
    const { size } = order;
    const isCut = order.fault === "cut";
    const chunked = order.answer === "chunked" && order.fault !== "early";
    const stopAt = isCut ? order.faultAt : Number.POSITIVE_INFINITY;
    new PatternSender(this.#socket, { seed: answerSeed(order), size, chunked, stopAt }, () => {
      if (isCut) this.#breakOff(order);
      else this.#finish(order);
    }).start();
  }

  #finish(order: Order): void {
    const socket = this.#socket;
    this.#served++;
    this.#lastSize = order.size;
    this.#order = null;
    this.#answering = false;
    if (closesAfter(order)) this.#end();
    else if (random.chance(0.003)) this.#closeWhenIdle(socket);
  }

  /** The request that comes at this very moment is the race that proxies have to live with. */
  #closeWhenIdle(socket: Socket): void {
    const byReset = random.chance(0.5);
    setTimeout(
      () => {
        // A reset could overtake the end of a large answer.
        const isBusy = this.#order !== null || socket.writableLength > 0 || this.#lastSize > 16_384;
        if (this.#over || isBusy) return;
        counts.idleCloses++;
        if (byReset) resetWire(socket);
        else this.#end();
      },
      random.between(0, 30),
    );
  }

  #end(): void {
    this.#over = true;
    this.#reader.stop();
    this.#socket.end();
  }

  /** Once what was written so far has left. */
  #breakOff(order: Order): void {
    const socket = this.#socket;
    counts.faults++;
    this.#over = true;
    this.#reader.stop();
    socket.write("", () => {
      if (order.byReset) resetWire(socket);
      else socket.destroySoon();
    });
  }
}

/** An early answer ends the connection, with the rest of the upload on it. */
function closesAfter(order: Order): boolean {
  return order.answer === "close" || order.fault === "early" || order.id % 200 === 0;
}

/** Its head is all that an answer is made of: the proxy may send the next request as soon as it has it. */
function isHeadOnly(order: Order): boolean {
  if (order.method === "HEAD" || order.answer === "not-modified" || order.answer === "no-content")
    return true;
  return order.size === 0 && order.answer === "length";
}

function answerHead(order: Order): string {
  const status = statusOf(order);
  const closing = closesAfter(order) ? "Connection: close\r\n" : "";
  const start = `HTTP/1.1 ${status} As Ordered\r\nX-Id: ${order.id}\r\n${closing}`;
  if (status === 204 || status === 304) return `${start}\r\n`;
  if (order.answer === "length" || order.fault === "early") {
    return `${start}Content-Length: ${order.size}\r\n\r\n`;
  }
  return order.answer === "chunked" ? `${start}Transfer-Encoding: chunked\r\n\r\n` : `${start}\r\n`;
}

const ports: number[] = [];
for (let i = 0; i < task.ports; i++) {
  const server = task.http2
    ? createStreamOrigin({ counts, random, violation }, task.tls)
    : createWireServer(task.tls, (socket) => void new OriginConnection(socket));
  ports.push(await listen(server));
}
setInterval(() => tell({ type: "origin", counts }), tellEvery);
process.on("disconnect", () => process.exit());
tell({ type: "listening", ports });
