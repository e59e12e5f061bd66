import type { Socket } from "node:net";
import type { ProxiedAddresses } from "../net/proxy-protocol.ts";
import type { ClientHello } from "../net/tls/client-hello.ts";
import type { TlsPassthrough } from "../net/tls/listener-settings.ts";
import { NameTable } from "../net/tls/name-table.ts";
import { toServerPattern } from "../net/tls/server-name.ts";
import type { RelaySettings } from "./tcp-relay.ts";
import { type StreamServiceOptions, TcpRelays } from "./tcp-relays.ts";
import { UpstreamRotation } from "./upstream-rotation.ts";

/** Servers by the name that clients ask for in their hello, for connections that are passed on unopened. */
export class PassthroughTable {
  readonly #table: NameTable<UpstreamRotation>;

  /**
   * @param connectTimeout milliseconds
   * @throws RangeError when an address or a name can't be read; TypeError when there is no address
   */
  constructor(routes: readonly TlsPassthrough[], connectTimeout: number) {
    this.#table = new NameTable(
      routes.flatMap(({ names, upstreams }) => {
        const servers = new UpstreamRotation(upstreams, connectTimeout);
        return names.map((name) => [readPattern(name), servers] as const);
      }),
    );
  }

  /** Null when connections that ask for this name aren't passed on. */
  find(serverName: string): UpstreamRotation | null {
    return this.#table.find(serverName);
  }
}

/**
 * The connections of a listener that are passed on unopened: each is relayed to the first server of its name that answers,
 * with the limits, faults and events that those of a TCP proxy have. What came of it already goes first.
 */
export class PassedConnections extends TcpRelays {
  readonly #routes: PassthroughTable;

  /** @throws as `PassthroughTable` does */
  constructor(routes: readonly TlsPassthrough[], settings: RelaySettings, options: StreamServiceOptions) {
    super(settings, options);
    this.#routes = new PassthroughTable(routes, settings.connectTimeout);
  }

  /** True when connections that ask for this name are passed on. */
  takes(serverName: string): boolean {
    return this.#routes.find(serverName) !== null;
  }

  /**
   * Passes on a connection whose name is one of those. It counts as open from here to its end: the caller forgets it.
   * @param bytes what came of it, the callee's from now on
   * @param delay milliseconds to wait before a server is connected to, by what `Faults.admit` said
   */
  pass(
    socket: Socket,
    { serverName }: Pick<ClientHello, "serverName">,
    bytes: Buffer,
    proxied: ProxiedAddresses | null,
    delay: number = 0,
  ): void {
    const { maxConnections } = this.settings;
    const servers = this.#routes.find(serverName);
    if (servers === null) this.refuse(socket, `nobody serves ${serverName}`, false);
    else if (maxConnections > 0 && this.size >= maxConnections)
      this.refuse(socket, `connection limit of ${maxConnections} reached`, false);
    else this.open(socket, { servers, delay, readsHeader: false, proxied, early: bytes, serverName });
  }
}

function readPattern(text: string): string {
  const pattern = toServerPattern(text);
  if (pattern === null) throw new RangeError(`"${text}" is no host name and no wildcard of one`);
  return pattern;
}
