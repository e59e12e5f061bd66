import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { patience, withDeadline } from "./deadline.ts";
import { type RawResponse, type ReadResponseOptions, readResponse } from "./raw-message.ts";
import { type Closure, RawSocket } from "./raw-socket.ts";

/** A port of this machine, an address, or the path of a Unix socket. */
export type RawTarget = number | { readonly host: string; readonly port: number } | { readonly path: string };

export interface RawClientOptions {
  /** Speaks TLS, with the options of `tls.connect`. */
  readonly tls?: ConnectionOptions;
  /** The local address to come from. */
  readonly localAddress?: string;
}

/** A client that sends exactly the bytes it is told to. */
export class RawClient extends RawSocket {
  readResponse(options: ReadResponseOptions = {}): Promise<RawResponse> {
    return readResponse(this, options);
  }

  /** Writes a request and reads the response to it, which may come before all of the request is written. */
  exchange(request: string | Uint8Array, options: ReadResponseOptions = {}): Promise<RawResponse> {
    void this.write(request);
    return this.readResponse(options);
  }
}

export async function connectRaw(target: RawTarget, options: RawClientOptions = {}): Promise<RawClient> {
  const address = typeof target === "number" ? { host: "127.0.0.1", port: target } : target;
  const local = options.localAddress === undefined ? {} : { localAddress: options.localAddress };
  const transport = connectTcp({ ...address, ...local, allowHalfOpen: true, noDelay: true });
  const waiting = (): string => `a connection to ${JSON.stringify(target)}`;
  await withDeadline(once(transport, "connect"), patience, waiting);
  if (options.tls === undefined) return new RawClient(transport);

  const socket = connectTls({ ...options.tls, socket: transport });
  await withDeadline(once(socket, "secureConnect"), patience, () => `TLS on ${waiting()}`);
  return new RawClient(socket, transport);
}

/** Says something and no more, on a connection of its own. @returns all that comes back */
export async function roundTrip(target: RawTarget, sent: string): Promise<string> {
  await using client = await connectRaw(target);
  client.end(sent);
  return String(await client.readToEnd());
}

/** How a connection goes that says nothing. One that is reset at once may never have stood on this side. */
export async function closureOf(target: RawTarget): Promise<Closure> {
  try {
    await using client = await connectRaw(target);
    return await withDeadline(client.closed, patience, () => "the other side to close");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return "reset";
    throw error;
  }
}
