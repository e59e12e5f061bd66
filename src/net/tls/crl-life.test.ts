import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { skipWithout } from "../../../test/kit/peer.ts";
import { createRevocationList } from "../../../test/kit/revocation.ts";
import { readCrlLife } from "./crl-life.ts";

const DAY = 86_400_000;

function toPem(der: string): string {
  return `-----BEGIN X509 CRL-----\n${Buffer.from(der, "hex").toString("base64")}\n-----END X509 CRL-----\n`;
}

/** An element of DER. */
function element(tag: string, content: string): string {
  return tag + (content.length / 2).toString(16).padStart(2, "0") + content;
}

function time(tag: "17" | "18", text: string): string {
  return element(tag, Buffer.from(text).toString("hex"));
}

function list(...elements: readonly string[]): string {
  return element("30", element("30", elements.join("")));
}

const [VERSION, SIGNATURE, ISSUER] = ["020101", "3000", "3000"];

describe("from when to when a list of revoked certificates counts", () => {
  test("is read from lists of openssl", { skip: skipWithout("openssl") }, async () => {
    const life = readCrlLife(await createRevocationList(await createAuthority(), []))!;
    assert.equal(life.end - life.begin, 9 * DAY);
    assert.ok(Math.abs(life.begin - Date.now()) < DAY);
  });

  test("is read in both forms of times, with and without a version", () => {
    const [from, to] = [time("17", "491231235959Z"), time("18", "20500101000000Z")];
    const life = { begin: Date.UTC(2049, 11, 31, 23, 59, 59), end: Date.UTC(2050, 0, 1) };
    assert.deepEqual(readCrlLife(toPem(list(VERSION, SIGNATURE, ISSUER, from, to, "3000"))), life);
    assert.deepEqual(readCrlLife(toPem(list(SIGNATURE, ISSUER, from, to))), life);
    const old = [time("17", "500101000000Z"), time("17", "991231000000Z")];
    assert.equal(readCrlLife(toPem(list(SIGNATURE, ISSUER, ...old)))?.begin, Date.UTC(1950, 0, 1));
  });

  test("is unknown of lists without an end, and of what is cut off or isn't one", () => {
    const from = time("17", "260101000000Z");
    const whole = list(VERSION, SIGNATURE, ISSUER, from, time("17", "260201000000Z"));
    for (const der of [
      list(VERSION, SIGNATURE, ISSUER, from),
      list(VERSION, SIGNATURE, ISSUER, from, "3000"),
      list(SIGNATURE, ISSUER, from, time("17", "soon")),
      "",
      "30",
      "3085ffffffffff",
      "3084ffffffff",
      ...Array.from({ length: whole.length / 2 }, (_, length) => whole.slice(0, 2 * length)),
    ]) {
      assert.equal(readCrlLife(toPem(der)), null, der);
    }
  });
});
