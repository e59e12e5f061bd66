import type { Identity } from "./certificates.ts";
import { createTemporaryDirectory } from "./files.ts";
import { findProgram } from "./peer.ts";
import { runProgram } from "./process.ts";

const config = `[ca]
default_ca=x
[x]
database=index
crlnumber=number
default_md=sha256
default_crl_days=9
`;

/**
 * PEM: an authority's list of those of its certificates that no longer count. Made by openssl, which has to be there.
 * @param end when the list itself counts no more, `YYYYMMDDHHMMSSZ`; in nine days when absent
 */
export async function createRevocationList(
  authority: Identity,
  revoked: readonly string[],
  end?: string,
): Promise<string> {
  await using folder = await createTemporaryDirectory();
  await folder.write("openssl.cnf", config);
  await folder.write("index", "");
  await folder.write("number", "01\n");
  await folder.write("ca.pem", authority.cert);
  await folder.write("ca.key", authority.key);
  const common = ["ca", "-config", "openssl.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"];
  const run = async (...more: string[]): Promise<string> => {
    const { stdout } = await runProgram(findProgram("openssl")!, [...common, ...more], { cwd: folder.path });
    return stdout;
  };
  for (const [index, cert] of revoked.entries()) {
    await folder.write(`${index}.pem`, cert);
    await run("-revoke", `${index}.pem`);
  }
  const past = end === undefined ? [] : ["-crl_lastupdate", "20190101000000Z", "-crl_nextupdate", end];
  return await run("-gencrl", ...past);
}
