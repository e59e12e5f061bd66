import { createHash, getFips, setFips } from "node:crypto";
import { describeThrown } from "../../base/errors.ts";

/**
 * Switches OpenSSL's FIPS mode on, for the whole process, and sees to it that it works: Node itself reports success without
 * a provider too, and then every hash, random number and handshake fails.
 *
 * The provider has to be there when the process starts: OPENSSL_CONF must name a file that activates it, OPENSSL_MODULES the
 * folder of `fips.so`.
 * @throws Error that says what is missing
 */
export function enableFips(): void {
  if (getFips() === 1 && findProblem() === null) return;
  const before = getFips();
  let problem: string | null;
  try {
    setFips(true);
    problem = findProblem();
  } catch (error) {
    problem = describeThrown(error);
  }
  if (problem === null) return;
  if (before === 0) setFips(false);
  throw new Error(
    "FIPS mode can't be switched on: OpenSSL has no provider named fips " +
      `(OPENSSL_CONF must name a configuration that activates it, OPENSSL_MODULES its folder): ${problem}`,
  );
}

/** Null when what is approved can be done, and what isn't can't. */
function findProblem(): string | null {
  try {
    createHash("sha256").update("").digest();
  } catch (error) {
    return describeThrown(error);
  }
  try {
    createHash("md5").update("").digest();
  } catch {
    return null;
  }
  return "MD5 is still to be had";
}
