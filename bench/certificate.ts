import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generate } from "selfsigned";
import { serverName } from "./load/load.ts";

/** The files of what all proxies prove themselves with. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Both in one file, as HAProxy wants them. */
  readonly both: string;
}

/** Makes a certificate with a key on P-256, for this run alone. */
export async function makeCertificate(directory: string): Promise<Certificate> {
  const made = await generate([{ name: "commonName", value: serverName }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    extensions: [
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: serverName },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
  const certificate = {
    cert: join(directory, "certificate.pem"),
    key: join(directory, "key.pem"),
    both: join(directory, "certificate-and-key.pem"),
  };
  await writeFile(certificate.cert, made.cert);
  await writeFile(certificate.key, made.private, { mode: 0o600 });
  await writeFile(certificate.both, `${made.cert.trimEnd()}\n${made.private}`, { mode: 0o600 });
  return certificate;
}
