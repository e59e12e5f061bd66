import { X509Certificate } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toServerPattern } from "../../net/tls/server-name.ts";
import { UsageError } from "../errors.ts";

/** Of this machine. */
const LOCAL_NAMES = ["localhost", "127.0.0.1", "::1"];
const DAY = 86_400_000;
/** Long enough for whoever lets it run, short enough for nobody to come to depend on it. */
const LIFETIME = 90 * DAY;

/** A certificate for development, in files that go with it: whoever serves it watches files. */
export interface SelfSigned extends AsyncDisposable {
  readonly cert: string;
  readonly key: string;
  readonly names: readonly string[];
  /** SHA-256, as browsers and OpenSSL show it. */
  readonly fingerprint: string;
}

/**
 * Makes a certificate for this machine and `more` hosts, signed by itself, with a key that nobody else has.
 * @throws UsageError for a name that is none
 */
export async function createSelfSigned(more: readonly string[]): Promise<SelfSigned> {
  const names = [...new Set([...LOCAL_NAMES, ...more.map(checkName)])];
  const { cert, key } = await generateFor(names);
  const folder = await mkdtemp(join(tmpdir(), "sluice-tls-"));
  const forget = removeWhenKilled(folder);
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  await writeFile(files.cert, cert);
  await writeFile(files.key, key, { mode: 0o600 });
  return {
    ...files,
    names,
    fingerprint: new X509Certificate(cert).fingerprint256,
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
      forget();
    },
  };
}

const DEADLY = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Takes the folder along when a signal ends the process: before anything is served nobody else listens to them, and nobody ever
 * does to the one that says that the terminal was closed.
 * @returns what ends this
 */
function removeWhenKilled(folder: string): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    rmSync(folder, { recursive: true, force: true });
    forget();
    process.kill(process.pid, signal);
  };
  const forget = (): void => {
    for (const signal of DEADLY) process.off(signal, onSignal);
  };
  for (const signal of DEADLY) process.on(signal, onSignal);
  return forget;
}

function checkName(name: string): string {
  if (isIP(name) !== 0) return name;
  const pattern = toServerPattern(name);
  if (pattern === null) throw new UsageError(`--name ${name}: this is neither a host name nor an IP address`);
  return pattern;
}

/** The library and what it needs are loaded only by those who want this. */
async function generateFor(names: readonly string[]): Promise<{ cert: string; key: string }> {
  const { generate } = await import("selfsigned");
  const made = await generate([{ name: "commonName", value: "Sluice development certificate" }], {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(Date.now() - DAY),
    notAfterDate: new Date(Date.now() + LIFETIME),
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: names.map(toAlternativeName) },
    ],
  });
  return { cert: made.cert, key: made.private };
}

function toAlternativeName(name: string): { type: 2; value: string } | { type: 7; ip: string } {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
}

/** Tells what clients may look for before they trust it. */
export function announceCertificate({ names, fingerprint }: SelfSigned, json: boolean): void {
  process.stdout.write(
    json
      ? `${JSON.stringify({ event: "certificate", names, fingerprint })}\n`
      : `Certificate for ${names.join(", ")}, for development only. SHA-256: ${fingerprint}\n`,
  );
}
