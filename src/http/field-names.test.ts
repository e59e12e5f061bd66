import assert from "node:assert/strict";
import { test } from "node:test";
import {
  equalsLowercase,
  equalsLowercaseText,
  FieldId,
  fieldIdAt,
  fieldIdOf,
  HOP_BY_HOP,
  toFieldName,
} from "./field-names.ts";

/** `ContentLength` to `content-length`, as the ids are named. */
const NAMES: [string, FieldId][] = Object.entries(FieldId)
  .filter(([, id]) => id !== FieldId.Other && id !== FieldId.ClientCertLookalike)
  .map(([word, id]) => [word.replace(/(?<=[a-z0-9])(?=[A-Z])|(?<=X)(?=F)/g, "-").toLowerCase(), id]);

function idOf(text: string): FieldId {
  // Bytes around the name must not matter.
  const bytes = Buffer.from(`xx${text}yy`, "latin1");
  return fieldIdAt(bytes, 2, 2 + text.length);
}

test("known names are recognised in any spelling", () => {
  assert.ok(NAMES.some(([name]) => name === "x-forwarded-proto"));
  assert.ok(NAMES.some(([name]) => name === "http2-settings"));
  for (const [name, id] of NAMES) {
    assert.equal(fieldIdOf(name), id, name);
    for (const spelling of [name, name.toUpperCase(), name.replace(/\b\w/g, (c) => c.toUpperCase())]) {
      assert.equal(idOf(spelling), id, spelling);
    }
  }
});

test("what differs in one character is another name", () => {
  for (const [name] of NAMES) {
    for (const other of [`${name}s`, name.slice(1), name.slice(0, -1), `${name.slice(0, -1)}_`]) {
      assert.equal(idOf(other), FieldId.Other, other);
      assert.equal(fieldIdOf(other), FieldId.Other, other);
    }
  }
  assert.equal(idOf("a".repeat(500)), FieldId.Other);
  assert.equal(fieldIdOf("__proto__"), FieldId.Other);
});

test("what passes for a certificate's field with CGI is known, too", () => {
  for (const name of [
    "client_cert",
    "Client_Cert-Chain",
    "X_FORWARDED_CLIENT_CERT",
    "x.forwarded-client~cert",
  ]) {
    assert.equal(idOf(name), FieldId.ClientCertLookalike, name);
    assert.equal(toFieldName(name).id, FieldId.ClientCertLookalike, name);
  }
  assert.equal(idOf("clientxcert"), FieldId.Other);
  assert.equal(toFieldName("clientxcert").id, FieldId.Other);
});

test("only letters have case", () => {
  // 0x0d | 0x20 is "-", 0x4d is "M" and 0x6d "m".
  assert.equal(idOf("content\rlength"), FieldId.Other);
  assert.equal(idOf("HO\x53T"), FieldId.Host);
  assert.equal(equalsLowercase(Buffer.from("A-B@"), 0, Buffer.from("a-b`")), false);
  assert.equal(equalsLowercaseText(Buffer.from("[X]"), 0, "{x}"), false);
  assert.equal(equalsLowercaseText(Buffer.from("..AbC"), 2, "abc"), true);
});

test("names are looked up once, but for those that are longer than any program's", () => {
  assert.equal(toFieldName("X-Seen"), toFieldName("X-Seen"));
  const long = "x".repeat(65);
  assert.notEqual(toFieldName(long), toFieldName(long));
  assert.deepEqual(toFieldName(long), { lowercase: long, id: FieldId.Other, isToken: true });
});

test("ids fit the bits that encoders keep them in", () => {
  for (const [name, id] of NAMES) assert.ok(id > 0 && id < 31, name);
});

test("connection fields are hop-by-hop, message fields are not", () => {
  const hops = NAMES.filter(([, id]) => HOP_BY_HOP[id] === 1).map(([name]) => name);
  assert.deepEqual(hops.sort(), [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
  ]);
  assert.equal(HOP_BY_HOP[FieldId.Other], 0);
});
