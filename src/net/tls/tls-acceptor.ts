import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { isThenable } from "../../base/errors.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../../base/timeouts.ts";
import { LONGEST_PROXY_HEADER, type ProxiedAddresses, parseProxyHeader } from "../proxy-protocol.ts";
import { type ClientHello, HELLO_PROBLEMS, type HelloProblem } from "./client-hello.ts";
import type { TlsDigest } from "./digest.ts";
import type { HandshakeLimit, HandshakeWaiter } from "./handshake-limit.ts";
import { HelloReader } from "./hello-reader.ts";
import { noteSecured } from "./secured-socket.ts";
import type { HandshakeOwner, ServerContext } from "./server-context.ts";

/** What becomes of a connection, by its hello: a context to shake hands with, to pass it on unopened, or neither. */
export type TlsChoice = ServerContext | "pass" | "refuse";

/** Why a connection didn't get through its handshake. */
type TlsFailureKind =
  /** What came was no hello that we take. */
  | "hello"
  /** Nobody serves the name that it asks for. */
  | "unknown-name"
  | "handshake"
  /** Whoever chooses certificates failed. */
  | "choice"
  | "timeout"
  /** Too many wait for a handshake already. */
  | "busy"
  /** The PROXY header that has to come first is missing or malformed. */
  | "proxy-header";

export interface TlsFailure {
  readonly kind: TlsFailureKind;
  readonly reason: string;
  /** The name that was asked for, "" as long as that isn't known. */
  readonly serverName: string;
  readonly problem?: HelloProblem;
  readonly cause?: Error;
}

/** Told what became of accepted connections. Addresses are those of a PROXY header; null without one. */
export interface TlsAcceptorListener {
  choose(hello: ClientHello, socket: Socket): TlsChoice | PromiseLike<TlsChoice>;
  /** The handshake is done: a transport can be made over `socket`, which knows `digest` too. */
  onSecure(socket: TLSSocket, digest: TlsDigest, addresses: ProxiedAddresses | null): void;
  /** To be passed on: `bytes` came already and are the callee's; `socket` has no reader. */
  onPassed(socket: Socket, hello: ClientHello, bytes: Buffer, addresses: ProxiedAddresses | null): void;
  /** Somebody speaks HTTP without TLS; as `onPassed`. */
  onPlainHttp(socket: Socket, bytes: Buffer, addresses: ProxiedAddresses | null): void;
  /** The connection is closed, or being closed. */
  onFailed(failure: TlsFailure, socket: Socket): void;
}

export interface TlsAcceptorOptions {
  /** For all of the handshake. */
  readonly timeout: TimeoutQueue;
  readonly limit: HandshakeLimit;
  /** True when each connection begins with a PROXY header. */
  readonly expectsProxyHeader: boolean;
}

/** Numbers of alerts (RFC 8446 §6). */
const Alert = {
  UnexpectedMessage: 10,
  RecordOverflow: 22,
  DecodeError: 50,
  InternalError: 80,
  UnrecognizedName: 112,
} as const;

/** So long may a client take to read its refusal. */
const REFUSAL_TIME = 1_000;
const refusals = new TimeoutQueue(REFUSAL_TIME);

/**
 * Takes accepted sockets through their handshake. The hello is read here before TLS sees anything of it, so that it can
 * decide everything: the certificate, whose clients are let in, and whether the connection is opened at all.
 *
 *     socket ──▶ [PROXY header] ──▶ hello ──▶ choose ──┬─▶ turn ──▶ handshake ──▶ onSecure
 *                                     │                ├─▶ onPassed
 *                                     ├─▶ onPlainHttp  └─▶ an alert
 *                                     └─▶ an alert
 */
export class TlsAcceptor {
  readonly options: TlsAcceptorOptions;
  readonly listener: TlsAcceptorListener;

  constructor(options: TlsAcceptorOptions, listener: TlsAcceptorListener) {
    this.options = options;
    this.listener = listener;
  }

  /** Takes a socket that was accepted with `pauseOnConnect`, of which nothing was read yet. */
  accept(socket: Socket): void {
    new Handshake(socket, this).start();
  }
}

/** One connection, until its handshake is done or has failed. */
class Handshake implements HandshakeOwner, HandshakeWaiter, DeadlineOwner {
  serverName = "";
  readonly #socket: Socket;
  readonly #acceptor: TlsAcceptor;
  readonly #reader = new HelloReader();
  readonly #deadline: Deadline = new Deadline(this);
  #proxyHeader: Buffer | null;
  #addresses: ProxiedAddresses | null = null;
  #context: ServerContext | null = null;
  #isOver = false;
  /** True from when it waits for its turn. */
  #isLimited = false;
  /** While it has its turn. */
  #turn: Deadline | null = null;

  constructor(socket: Socket, acceptor: TlsAcceptor) {
    this.#socket = socket;
    this.#acceptor = acceptor;
    this.#proxyHeader = acceptor.options.expectsProxyHeader ? Buffer.alloc(0) : null;
  }

  start(): void {
    const socket = this.#socket;
    this.#acceptor.options.timeout.set(this.#deadline);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
    socket.on("end", this.#onEnd);
    socket.on("readable", this.#onReadable);
  }

  get isWaiting(): boolean {
    return this.#isLimited && this.#turn === null;
  }

  // ── the hello ──────────────────────────────────────────────────────────────────────────────────────────────────

  readonly #onReadable = (): void => {
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk === null || this.#isOver) return;
    if (this.#proxyHeader === null) this.#readHello(chunk);
    else this.#readProxyHeader(chunk);
  };

  #readProxyHeader(chunk: Buffer): void {
    const received = Buffer.concat([this.#proxyHeader!, chunk]);
    const header = parseProxyHeader(received, 0, Math.min(received.length, LONGEST_PROXY_HEADER));
    this.#proxyHeader = received;
    if (header.kind === "incomplete") return;
    if (header.kind === "malformed") {
      this.#fail({ kind: "proxy-header", reason: header.reason });
      this.#socket.destroy();
      return;
    }
    this.#proxyHeader = null;
    this.#addresses = header.addresses;
    if (received.length > header.length) this.#readHello(received.subarray(header.length));
  }

  #readHello(chunk: Buffer): void {
    const outcome = this.#reader.read(chunk);
    if (outcome.kind === "incomplete") return;
    this.#socket.off("readable", this.#onReadable);
    if (outcome.kind === "hello") this.#choose(outcome.hello);
    else if (outcome.kind === "http") {
      this.#conclude();
      this.#acceptor.listener.onPlainHttp(this.#socket, this.#reader.received, this.#addresses);
    } else this.#refuseHello(outcome.problem);
  }

  #refuseHello(problem: HelloProblem): void {
    this.#fail({ kind: "hello", reason: HELLO_PROBLEMS[problem], problem });
    // Whoever doesn't speak TLS doesn't understand its alerts either.
    if (problem === "NOT_TLS" || problem === "SSL_2") this.#socket.destroy();
    else this.#sendAlert(alertFor(problem));
  }

  #choose(hello: ClientHello): void {
    this.serverName = hello.serverName;
    let choice: TlsChoice | PromiseLike<TlsChoice>;
    try {
      choice = this.#acceptor.listener.choose(hello, this.#socket);
    } catch (error) {
      this.#refuseChoice(error as Error);
      return;
    }
    if (!isThenable(choice)) this.#follow(choice, hello);
    else {
      choice.then(
        (chosen) => this.#follow(chosen, hello),
        (error: Error) => this.#refuseChoice(error),
      );
    }
  }

  #refuseChoice(error: Error): void {
    if (this.#isOver) return;
    this.#fail({ kind: "choice", reason: "No certificate could be chosen", cause: error });
    this.#sendAlert(Alert.InternalError);
  }

  #follow(choice: TlsChoice, hello: ClientHello): void {
    if (this.#isOver) return;
    if (choice === "pass") {
      this.#conclude();
      this.#acceptor.listener.onPassed(this.#socket, hello, this.#reader.received, this.#addresses);
    } else if (choice === "refuse") {
      this.#fail({ kind: "unknown-name", reason: "No certificate is for this name" });
      this.#sendAlert(Alert.UnrecognizedName);
    } else {
      this.#context = choice;
      this.#isLimited = true;
      if (this.#acceptor.options.limit.enter(this)) return;
      this.#isLimited = false;
      this.#fail({ kind: "busy", reason: "Too many wait for a handshake" });
      this.#socket.destroy();
    }
  }

  // ── the handshake ──────────────────────────────────────────────────────────────────────────────────────────────

  onTurn(): void {
    this.#turn = new Deadline(this);
    this.#acceptor.options.limit.turns.set(this.#turn);
    const socket = this.#socket;
    socket.off("end", this.#onEnd);
    socket.unshift(this.#reader.received);
    this.#context!.accept(socket, this);
  }

  onSecure(socket: TLSSocket, digest: TlsDigest): void {
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    this.#conclude();
    noteSecured(socket, { carrier: this.#socket, digest });
    this.#acceptor.listener.onSecure(socket, digest, this.#addresses);
  }

  onHandshakeFailed(error: Error): void {
    this.#fail({ kind: "handshake", reason: error.message, cause: error });
  }

  onDeadline(queue: TimeoutQueue): void {
    if (queue === this.#acceptor.options.limit.turns) {
      this.#leaveLimit();
      return;
    }
    this.#fail({ kind: "timeout", reason: "The handshake took too long" });
    this.#socket.destroy();
  }

  readonly #onError = (error: Error): void => this.onHandshakeFailed(error);

  readonly #onClose = (): void => this.#fail({ kind: "handshake", reason: "The client left" });

  readonly #onEnd = (): void => {
    this.#fail({ kind: "hello", reason: HELLO_PROBLEMS.ENDED, problem: "ENDED" });
    this.#socket.destroy();
  };

  #fail(failure: Omit<TlsFailure, "serverName">): void {
    if (this.#isOver) return;
    this.#conclude();
    this.#socket.on("error", ignore);
    this.#acceptor.listener.onFailed({ ...failure, serverName: this.serverName }, this.#socket);
  }

  /** Lets go of the socket. */
  #conclude(): void {
    this.#isOver = true;
    this.#deadline.clear();
    const socket = this.#socket;
    socket.off("error", this.#onError);
    socket.off("close", this.#onClose);
    socket.off("end", this.#onEnd);
    socket.off("readable", this.#onReadable);
    this.#leaveLimit();
  }

  #leaveLimit(): void {
    if (!this.#isLimited) return;
    this.#isLimited = false;
    const { limit } = this.#acceptor.options;
    if (this.#turn === null) limit.forgetOne();
    else {
      this.#turn.clear();
      limit.leave();
    }
  }

  /** Says why before it closes; to close with unread bytes would reset the connection and take the alert along. */
  #sendAlert(description: number): void {
    const socket = this.#socket;
    socket.end(Buffer.from([21, 3, 1, 0, 2, 2, description]));
    socket.resume();
    const deadline = new Deadline({ onDeadline: () => socket.destroy() });
    refusals.set(deadline);
    socket.on("close", () => deadline.clear());
    socket.on("end", () => socket.destroySoon());
  }
}

function alertFor(problem: HelloProblem): number {
  if (problem === "NO_HELLO") return Alert.UnexpectedMessage;
  if (problem === "TOO_LONG") return Alert.RecordOverflow;
  return Alert.DecodeError;
}

function ignore(): void {}
