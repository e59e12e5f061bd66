import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { Counters } from "../../src/base/counters.ts";
import type { Faults } from "../../src/chaos/faults.ts";
import type { StreamProxySettings } from "../../src/proxy/stream-proxy.ts";
import { LocalTlsSource } from "../../src/proxy/tls/local-tls-source.ts";
import { UdpProxyService, type UdpServiceOptions } from "../../src/proxy/udp-proxy-service.ts";
import { patience, until, withDeadline } from "./deadline.ts";
import { EventLog, PROXY_SETTINGS } from "./stream-proxy.ts";

/** One end of datagrams, client or server. */
export class UdpPeer implements AsyncDisposable {
  readonly socket: Socket;
  /** What came and was not taken yet. */
  readonly received: { readonly text: string; readonly from: RemoteInfo }[] = [];
  port = 0;

  constructor(type: "udp4" | "udp6") {
    this.socket = createSocket(type);
    this.socket.on("message", (bytes, from) => {
      this.received.push({ text: bytes.toString("latin1"), from });
      this.socket.emit("received");
    });
  }

  /** The next datagram. */
  async next(): Promise<string> {
    if (this.received.length === 0)
      await withDeadline(once(this.socket, "received"), patience, () => "a datagram");
    return this.received.shift()!.text;
  }

  send(text: string | Uint8Array, port: number, host: string = "127.0.0.1"): void {
    this.socket.send(text, port, host);
  }

  /** Sends and waits for the answer. */
  ask(text: string, port: number, host?: string): Promise<string> {
    this.send(text, port, host);
    return this.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.socket, "close");
    this.socket.close();
    await closed;
  }
}

export async function openUdp(host: string = "127.0.0.1", port: number = 0): Promise<UdpPeer> {
  const peer = new UdpPeer(isIPv6(host) ? "udp6" : "udp4");
  peer.socket.bind(port, host);
  await once(peer.socket, "listening");
  peer.port = peer.socket.address().port;
  return peer;
}

/** Answers every datagram with `prefix` and the same bytes. */
export async function startUdpEcho(prefix: string = "", host?: string, port?: number): Promise<UdpPeer> {
  const peer = await openUdp(host, port);
  const { socket } = peer;
  socket.on("message", (bytes, { address, port: to }) =>
    socket.send(prefix === "" ? bytes : Buffer.concat([Buffer.from(prefix), bytes]), to, address),
  );
  return peer;
}

/** A UDP proxy in this thread. */
export class TestUdpProxy implements AsyncDisposable {
  readonly service: UdpProxyService;
  readonly counters: Counters = Counters.local();
  readonly log: EventLog = new EventLog();
  address = "";
  readonly #stopping = new AbortController();

  constructor(settings: Partial<StreamProxySettings>, options: Partial<UdpServiceOptions>) {
    const all = { ...PROXY_SETTINGS, protocol: "udp" as const, ...settings };
    this.service = new UdpProxyService(all, { faults: null, onEvent: this.log.push, ...options });
  }

  async start(): Promise<this> {
    const { counters } = this;
    const { signal } = this.#stopping;
    const tls = new LocalTlsSource(signal, null);
    const nobody = { observer: null, reporter: null, keyLog: null };
    this.service.start({ counters, ...nobody, thread: 0, signal, tls });
    this.address = await this.service.open(this.service.settings.listen);
    return this;
  }

  get port(): number {
    return Number(/\d+$/.exec(this.address)?.[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.service.destroy();
    await until("no session is left", () => this.service.connections().length === 0);
  }
}

export function startUdpProxy(
  upstreams: readonly (number | string)[],
  settings: Partial<StreamProxySettings> = {},
  faults: Faults | null = null,
  reusePort: boolean = false,
): Promise<TestUdpProxy> {
  const addresses = upstreams.map((one) => (typeof one === "number" ? `127.0.0.1:${one}` : one));
  return new TestUdpProxy({ ...settings, upstreams: addresses }, { faults, reusePort }).start();
}
