import type { TlsOptions } from "../../src/proxy/tls/tls-options.ts";
import { type Authority, createAuthority, type LeafOptions } from "../kit/certificates.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { type ProxyOptions, type ProxyUnderTest, startProxy } from "./proxy.ts";

export const authority: Authority = await createAuthority();
export const clients: Authority = await createAuthority({ commonName: "Clients" });

/** For `connectRaw`, and as options of Node's clients. */
export const TRUST: { readonly ca: string; readonly servername: string } = {
  ca: authority.cert,
  servername: "localhost",
};

export interface SecureProxy extends AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly port: number;
  readonly folder: TemporaryDirectory;
  /** As the proxy was given it. */
  readonly tls: TlsOptions;
}

export interface SecureOptions<C> extends Omit<ProxyOptions<C>, "tls"> {
  readonly tls?: TlsOptions;
  /** Of the server's certificate. */
  readonly leaf?: LeafOptions;
  /** Asks clients who they are; `clients` has signed them. */
  readonly asks?: "required" | "optional";
}

/** A proxy whose clients speak TLS. */
export async function startSecureProxy<C = undefined>(options: SecureOptions<C> = {}): Promise<SecureProxy> {
  const { tls = {}, leaf, asks, ...rest } = options;
  const folder = await createTemporaryDirectory();
  const identity = await authority.issue(leaf);
  const ca = await folder.write("clients.pem", clients.cert);
  const all: TlsOptions = {
    cert: await folder.write("cert.pem", identity.cert),
    key: await folder.write("key.pem", identity.key),
    ...(asks === undefined ? {} : { clientCertificates: { mode: asks, ca: [ca], crl: [] } }),
    ...tls,
  };
  const proxy = await startProxy({ ...rest, tls: all });
  return {
    proxy,
    port: proxy.port,
    folder,
    tls: all,
    async [Symbol.asyncDispose](): Promise<void> {
      await proxy[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
