import { type Authority, createAuthority } from "../kit/certificates.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import { startInside } from "./inside.ts";
import { startListening } from "./sluice.ts";
import { writeIdentity } from "./tls-sluice.ts";
import { ask } from "./toxiproxy.ts";

export const authority: Authority = await createAuthority();

/** For clients, and for a server's own certificate. */
export const TRUST: { readonly ca: string; readonly servername: string } = {
  ca: authority.cert,
  servername: "localhost",
};

const identity = await authority.issue();

/** For servers with TLS. */
export const SERVER_TLS: { readonly cert: string; readonly key: string } = identity;

export interface StageOptions {
  /** Of the listener "web", beside its TLS. */
  readonly listener: object;
  /** Of its TLS, beside the certificate. */
  readonly tls?: object;
  /** Of the configuration, beside that listener. `CA` in it, or in the others, is the file of the authority. */
  readonly document?: object;
  /** Default 2. Without any it runs in this process. */
  readonly threads?: number;
}

/** The program with a listener "web" that speaks TLS, and an admin API. Its clients are closed with it. */
export class SecureStage implements AsyncDisposable {
  readonly port: number;
  readonly #api: string;
  readonly #all: AsyncDisposableStack;

  private constructor(port: number, api: string, all: AsyncDisposableStack) {
    this.port = port;
    this.#api = api;
    this.#all = all;
  }

  static async start({ listener, tls = {}, document = {}, threads = 2 }: StageOptions): Promise<SecureStage> {
    await using all = new AsyncDisposableStack();
    const folder = all.use(await createTemporaryDirectory());
    await writeIdentity(folder, identity);
    const ca = await folder.write("ca.pem", authority.cert);
    const certificate = { cert: "cert.pem", key: "key.pem" };
    const web = { name: "web", bind: "127.0.0.1:0", tls: { ...certificate, ...tls }, ...listener };
    const configuration = { threads, admin: "127.0.0.1:0", listeners: [web], ...document };
    // YAML takes JSON as it is.
    const text = JSON.stringify(configuration).replaceAll('"CA"', JSON.stringify(ca));
    const args = ["run", await folder.write("sluice.yaml", text)];
    if (threads === 0) {
      const sluice = all.use(await startInside(args));
      const [, api = ""] = await sluice.line(/"event":"api","address":"([^"]+)"/);
      return new SecureStage(sluice.port, api, all.move());
    }
    const sluice = all.use(await startListening(args));
    const [, api = ""] = await sluice.program.line(/^Admin API on (\S+)$/);
    return new SecureStage(sluice.port, api, all.move());
  }

  /** A connection of HTTP/2. */
  http2(): Http2Client {
    return this.#all.use(new Http2Client(this.port, TRUST));
  }

  /** A connection of HTTP/1.1; to `servername`, which may be one that is passed on. */
  async http1(servername = "localhost"): Promise<RawClient> {
    const tls = {
      ca: authority.cert,
      servername,
      ALPNProtocols: ["http/1.1"],
      checkServerIdentity: () => undefined,
    };
    return this.#all.use(await connectRaw(this.port, { tls }));
  }

  /** Asks the admin API. */
  ask(method: string, path: string, body?: unknown): Promise<unknown> {
    return ask(this.#api, method, path, body);
  }

  /** Lays a toxic, by the name of its type, on the listener. */
  async lay(type: string, attributes: object = {}, stream = "downstream"): Promise<void> {
    await this.ask("POST", "/proxies/web/toxics", { name: type, type, stream, attributes });
  }

  async lift(type: string): Promise<void> {
    await this.ask("DELETE", `/proxies/web/toxics/${type}`);
  }

  async setMode(mode: object): Promise<void> {
    await this.ask("PUT", "/proxies/web/mode", mode);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#all.disposeAsync();
  }
}
