import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import type { Identity } from "./certificates.ts";
import { patience, withDeadline } from "./deadline.ts";
import { formatAddress, type ListenOptions, listen } from "./ports.ts";
import { type RawRequest, readRequest } from "./raw-message.ts";
import { RawSocket } from "./raw-socket.ts";

/** The server's side of a connection. */
export class RawConnection extends RawSocket {
  readRequest(): Promise<RawRequest> {
    return readRequest(this);
  }
}

/** One step of a scripted connection; the steps run in order, and after the last the connection stays open. */
export type RawStep =
  | { readonly read: "request" | "head" | "end" | number }
  /** Exact bytes, cut into segments at the given offsets. */
  | { readonly send: string | Uint8Array; readonly splitAt?: readonly number[] }
  /** Milliseconds in which nothing is sent: the slowness itself is what is tested. */
  | { readonly delay: number }
  | { readonly close: "half" | "both" | "reset" };

export type RawScript = readonly RawStep[] | ((connection: RawConnection) => void | Promise<void>);

export interface RawOriginOptions extends ListenOptions {
  readonly tls?: Identity;
}

/** A server of bytes. A script that fails closes its connection. */
export class RawOrigin implements AsyncDisposable {
  readonly host: string;
  /** Every connection so far, in the order of their arrival. */
  readonly connections: RawConnection[] = [];
  /** 0 on a Unix socket. */
  port = 0;
  readonly server: Server;
  readonly #script: RawScript;
  readonly #tls: Identity | undefined;
  readonly #outcomes: Promise<Error | undefined>[] = [];

  constructor(script: RawScript, options: RawOriginOptions) {
    this.#script = script;
    this.#tls = options.tls;
    this.host = options.host ?? "127.0.0.1";
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  get address(): string {
    return formatAddress(this.host, this.port);
  }

  /** The connection with this index, as soon as it has come. */
  async connection(index: number): Promise<RawConnection> {
    for (;;) {
      const found = this.connections[index];
      if (found !== undefined) return found;
      await withDeadline(once(this.server, "accepted"), patience, () => `connection ${index}`);
    }
  }

  /** How the script over a connection ended: its error, or undefined when it came to its end. */
  async outcome(index: number): Promise<Error | undefined> {
    await this.connection(index);
    return withDeadline(Promise.resolve(this.#outcomes[index]), patience, () => `the script over ${index}`);
  }

  /** Breaks all connections and listens no more; a second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, "close");
    this.server.close();
    await Promise.all(this.connections.map((connection) => connection[Symbol.asyncDispose]()));
    await closed;
  }

  #accept(transport: Socket): void {
    const connection = new RawConnection(secure(transport, this.#tls), transport);
    this.connections.push(connection);
    this.#outcomes.push(runScript(this.#script, connection));
    this.server.emit("accepted");
  }
}

export async function startRawOrigin(script: RawScript, options: RawOriginOptions = {}): Promise<RawOrigin> {
  const origin = new RawOrigin(script, options);
  origin.port = await listen(origin.server, options);
  return origin;
}

function secure(transport: Socket, tls: Identity | undefined): Socket {
  return tls === undefined ? transport : new TLSSocket(transport, { ...tls, isServer: true });
}

async function runScript(script: RawScript, connection: RawConnection): Promise<Error | undefined> {
  try {
    if (typeof script === "function") await script(connection);
    else for (const step of script) await runStep(step, connection);
    return undefined;
  } catch (error) {
    connection.destroy();
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function runStep(step: RawStep, connection: RawConnection): Promise<void> {
  if ("read" in step) await runRead(step.read, connection);
  else if ("send" in step) await connection.writePieces(step.send, step.splitAt ?? []);
  else if ("delay" in step) await delay(step.delay);
  else if (step.close === "half") connection.end();
  else if (step.close === "both") connection.destroy();
  else connection.reset();
}

async function runRead(what: "request" | "head" | "end" | number, connection: RawConnection): Promise<void> {
  if (what === "request") await connection.readRequest();
  else if (what === "head") await connection.readHead();
  else if (what === "end") await connection.readToEnd();
  else await connection.readExactly(what);
}
