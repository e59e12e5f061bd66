import { ProxyError } from "../base/errors.ts";
import { forgetBytes, forgetDigests } from "../http/body-fields.ts";
import type { RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import { TO_CLIENT, TO_UPSTREAM } from "../plugins/plugin.ts";
import type { PipeOwner, PluginPipe } from "../plugins/plugin-pipe.ts";
import type { PluginRow, PluginRowConnection } from "../plugins/plugin-row.ts";

/**
 * The plugins that the bodies of one session go through: the request's between all filters and the server, the response's between
 * the server and all filters. What is compressed goes past them, and so does a part of a whole (206).
 */
export class SessionPlugins {
  readonly #connection: PluginRowConnection;
  readonly #transformsRequest: boolean;

  private constructor(connection: PluginRowConnection, request: RequestHead) {
    const { body } = request;
    this.#connection = connection;
    this.#transformsRequest = body !== "none" && body !== 0 && !isEncoded(request.headers);
  }

  /**
   * @param client `address:port`, "" on a Unix socket
   * @returns null when none of the plugins has something to do with bodies
   * @throws ProxyError when a plugin can't open a connection
   */
  static open(row: PluginRow, request: RequestHead, client: string): SessionPlugins | null {
    try {
      const connection = row.open(client);
      return connection.isEmpty ? null : new SessionPlugins(connection, request);
    } catch (error) {
      throw toPluginFailure(error as Error);
    }
  }

  /** True when the request's body goes through them. */
  get transformsRequest(): boolean {
    return this.#transformsRequest;
  }

  /** The request's head as it goes to a server: a copy. */
  toSend(head: RequestHead): RequestHead {
    const sent = head.fork();
    const { headers } = sent;
    // A part of what the server has isn't a part of what becomes of it, and compressed bytes are nothing to a plugin.
    headers.delete("range");
    headers.delete("if-range");
    headers.set("Accept-Encoding", "identity");
    if (this.#transformsRequest) {
      headers.delete("content-length");
      forgetDigests(headers);
    }
    return sent;
  }

  /**
   * Has a response's head say what is true of the body that the client gets.
   * @returns whether there is a body that goes through them
   */
  prepareResponse(head: ResponseHead, isHead: boolean): boolean {
    const { headers, status, body } = head;
    if (status < 200 || status === 204 || status === 206 || isEncoded(headers)) return false;
    const isUnsent = isHead || status === 304;
    if (body === 0 && !isUnsent) return false;
    // Also the tag: a plugin of another day may make other bytes of it.
    forgetBytes(headers);
    return body !== "none";
  }

  requestPipe(owner: PipeOwner): PluginPipe {
    return this.#connection.pipe(TO_UPSTREAM, owner);
  }

  responsePipe(owner: PipeOwner): PluginPipe {
    return this.#connection.pipe(TO_CLIENT, owner);
  }

  close(): void {
    this.#connection.close();
  }
}

/** @param error what a plugin did wrong; null: it wants the connection to be closed */
export function toPluginFailure(error: Error | null): ProxyError {
  if (error === null) return new ProxyError("PLUGIN_CLOSED");
  return new ProxyError("PLUGIN_FAILED", error.message, { cause: error });
}

function isEncoded(headers: HttpHeaders): boolean {
  const encoding = headers.get("content-encoding");
  return encoding !== null && encoding !== "" && encoding.toLowerCase() !== "identity";
}
