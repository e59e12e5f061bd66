import type { ConnectionOptions } from "node:tls";
import type { Identity } from "../kit/certificates.ts";
import type { TemporaryDirectory } from "../kit/files.ts";
import { GET, type TlsVisit, visitSecurely } from "../kit/tls-client.ts";
import { type InsideSluice, startInside } from "./inside.ts";
import { type ListeningOptions, type RunningSluice, startListening } from "./sluice.ts";

export interface SecureSluiceOptions extends ListeningOptions {
  /** Of the listener, beside what it does. */
  readonly listener?: object;
  /** Flags. */
  readonly flags?: readonly string[];
}

/** Writes a configuration with one listener, "web", that answers by itself over TLS; its path. */
export function writeConfig(folder: TemporaryDirectory, tls: object, listener: object = {}): Promise<string> {
  const web = { name: "web", bind: "127.0.0.1:0", respond: { status: 200, body: "ok" }, tls, ...listener };
  // YAML takes JSON as it is.
  return folder.write("sluice.yaml", JSON.stringify({ listeners: [web] }));
}

/** The program with such a listener, in one thread if `flags` don't say otherwise. Files are found in `folder`. */
export async function startSecureSluice(
  folder: TemporaryDirectory,
  tls: object,
  options: SecureSluiceOptions = {},
): Promise<RunningSluice> {
  const { listener = {}, flags = [], ...rest } = options;
  const file = await writeConfig(folder, tls, listener);
  return await startListening(["run", file, "--threads", "1", ...flags], rest);
}

/** The same in the test's own process and thread: handshakes are the same in any. */
export async function startSecureInside(folder: TemporaryDirectory, tls: object): Promise<InsideSluice> {
  return await startInside(["run", await writeConfig(folder, tls)]);
}

/** A request over a connection of its own. */
export function visit(
  { port }: { readonly port: number },
  options: ConnectionOptions = {},
  path: string = "/",
): Promise<TlsVisit> {
  return visitSecurely(port, options, GET.replace("/", path));
}

/** The files that a configuration with `{ cert: "cert.pem", key: "key.pem" }` names. */
export async function writeIdentity(folder: TemporaryDirectory, { cert, key }: Identity): Promise<void> {
  await folder.write("cert.pem", cert);
  await folder.write("key.pem", key);
}
