import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { findProgram, skipWithout } from "../../../test/kit/peer.ts";
import { runProgram } from "../../../test/kit/process.ts";
import { toRfc4514 } from "./distinguished-name.ts";

const authority = await createAuthority();

async function subjectOf(commonName: string): Promise<X509Certificate> {
  return new X509Certificate((await authority.issue({ commonName, names: ["a.test"] })).cert);
}

/** What a reader of RFC 4514 makes of a name that has one part. */
function commonNameIn(name: string): string {
  assert.ok(name.startsWith("CN="));
  const bytes = name.slice(3).replace(/\\([0-9A-F]{2})/g, (_, pair: string) => `%${pair}`);
  return decodeURIComponent(bytes.replace(/%(?![0-9A-F]{2})/g, "%25"));
}

describe("a distinguished name", () => {
  test("has its most special part first", () => {
    assert.equal(toRfc4514("C=DE\nO=Example\nCN=client"), "CN=client,O=Example,C=DE");
    assert.equal(toRfc4514("C=DE\nL=a + OU=b\\+c + CN=d\\ "), "L=a+OU=b\\2Bc+CN=d\\20,C=DE");
  });

  test("holds nothing that ends a quoted text or a line", async () => {
    const evil = 'a"b,c;d=e\\f\\"g\r\nX: h + i\u0000\u007f';
    const { subject } = await subjectOf(evil);
    const name = toRfc4514(subject);
    assert.doesNotMatch(name, /["\r\n;]|\\\\|[^\x20-\x7e]/);
    assert.equal(commonNameIn(name), evil);
  });

  test("can be read back, whatever it is", async () => {
    const names = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(names, async (commonName) => {
        const { subject } = await subjectOf(commonName);
        const name = toRfc4514(subject);
        assert.match(name, /^CN=[\x20-\x7e]*$/);
        assert.doesNotMatch(name, /["\\;,](?![0-9A-F]{2})/);
        assert.equal(commonNameIn(name), commonName);
      }),
      { numRuns: 100 },
    );
  });

  test("is what OpenSSL makes of it, but for how it is escaped", {
    skip: skipWithout("openssl"),
  }, async () => {
    const x509 = await subjectOf("Zoë, 漢");
    await using folder = await createTemporaryDirectory();
    const file = await folder.write("cert.pem", x509.toString());
    const args = ["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", file];
    const { stdout } = await runProgram(findProgram("openssl")!, args);
    assert.equal(`subject=${toRfc4514(x509.subject)}`.replace("\\2C", "\\,"), stdout.trim());
  });
});
