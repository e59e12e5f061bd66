import { connect, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import type { Asker, Tally } from "./tally.ts";

const PATIENCE = 30_000;

/** Asks one request after the other over HTTP/1. */
export class Http1Asker implements Asker {
  readonly #port: number;
  readonly #isSecure: boolean;
  /** False: each request has a connection of its own. */
  readonly #isKept: boolean;
  readonly #tally: Tally;
  #socket: Socket | null = null;

  constructor(port: number, isSecure: boolean, isKept: boolean, tally: Tally) {
    this.#port = port;
    this.#isSecure = isSecure;
    this.#isKept = isKept;
    this.#tally = tally;
  }

  /** Resolves with the whole answer. */
  async ask(): Promise<string> {
    this.#socket ??= await this.#connect();
    const socket = this.#socket;
    const text = await answerOn(socket, this.#isKept ? KEPT : LAST);
    if (!text.startsWith("HTTP/1.1 200 ")) throw new Error(text.slice(0, text.indexOf("\r\n")));
    if (this.#isKept && !/\r\nconnection: close\r\n/i.test(text)) return text;
    socket.destroy();
    this.#socket = null;
    return text;
  }

  async #connect(): Promise<Socket> {
    const target = { host: "127.0.0.1", port: this.#port };
    const socket = this.#isSecure
      ? connectSecurely({ ...target, servername: "localhost", rejectUnauthorized: false })
      : connect(target);
    this.#tally.connections++;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once(this.#isSecure ? "secureConnect" : "connect", resolve).once("error", reject);
    await promise;
    socket.off("error", reject).on("error", () => undefined);
    return socket;
  }

  /** What failed is not used again. */
  forget(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }
}

const KEPT = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/** The whole answer. Rejects when the connection ends before it has come. */
function answerOn(socket: Socket, request: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  const onData = (bytes: Buffer): void => {
    text += bytes.toString("latin1");
    if (isWhole(text)) leave(() => resolve(text));
  };
  const onClose = (): void => leave(() => reject(new Error(`cut after ${text.length} bytes`)));
  const late = setTimeout(() => leave(() => reject(new Error("no answer"))), PATIENCE);
  const leave = (settle: () => void): void => {
    clearTimeout(late);
    socket.off("data", onData).off("close", onClose);
    settle();
  };
  socket.on("data", onData).once("close", onClose);
  if (socket.destroyed) onClose();
  else socket.write(request);
  return promise;
}

function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end + 2))?.[1];
  return length === undefined ? text.endsWith("\r\n0\r\n\r\n") : text.length === end + 4 + Number(length);
}
