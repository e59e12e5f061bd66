import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode, encode, type Packet, TRUNCATED_RESPONSE } from "dns-packet";
import fc from "fast-check";
import { type DnsQuestion, encodeQuestion, isDnsName, readAnswer } from "./message.ts";

const question: DnsQuestion = { name: "web.example", type: "A" };

const good: Packet = {
  type: "response",
  id: 7,
  questions: [{ name: "WEB.example", type: "A", class: "IN" }],
  answers: [
    { type: "CNAME", name: "web.example", ttl: 30, data: "Box.Example" },
    { type: "A", name: "BOX.example", ttl: 5, data: "192.0.2.1" },
    { type: "TXT", name: "box.example", ttl: 5, data: "x" },
    { type: "A", name: "box.example", class: "CH", ttl: 5, data: "192.0.2.2" },
  ],
  additionals: [
    {
      type: "SRV",
      name: "s.example",
      ttl: 2 ** 32 - 1,
      data: { target: ".", port: 1, priority: 2, weight: 3 },
    },
    { type: "AAAA", name: "box.example", ttl: 1, data: "2001:db8::1" },
  ],
};

describe("a message of the DNS", () => {
  test("asks one question, recursion desired, with or without EDNS", () => {
    const plain = decode(encodeQuestion(7, question, false));
    assert.deepEqual(
      [plain.id, plain.flag_qr, plain.flag_rd, plain.questions],
      [7, false, true, [{ name: "web.example", type: "A", class: "IN" }]],
    );
    assert.deepEqual(plain.additionals, []);
    const [option] = decode(encodeQuestion(7, question, true)).additionals ?? [];
    assert.equal(option?.type === "OPT" && option.udpPayloadSize, 1232);
  });

  test("is read as an answer, with names in small letters and times in milliseconds", () => {
    assert.deepEqual(readAnswer(encode(good), 7, question), {
      code: 0,
      isTruncated: false,
      answers: [
        { type: "CNAME", name: "web.example", ttl: 30_000, data: "box.example" },
        { type: "A", name: "box.example", ttl: 5_000, data: "192.0.2.1" },
      ],
      additionals: [
        { type: "SRV", name: "s.example", ttl: 0, data: { target: "", port: 1, priority: 2, weight: 3 } },
        { type: "AAAA", name: "box.example", ttl: 1_000, data: "2001:db8::1" },
      ],
    });
  });

  test("tells its code and whether it was cut", () => {
    const bytes = encode({ ...good, flags: TRUNCATED_RESPONSE | 3 }).subarray(0, 50);
    const cut = { code: 3, isTruncated: true, answers: [], additionals: [] };
    assert.deepEqual(readAnswer(bytes, 7, question), cut);
  });

  test("is read whatever form its names have", () => {
    const head = [0, 7, 0x80, 0, 0, 1, 0, 3, 0, 0, 0, 0];
    const asked = [3, ...Buffer.from("wEb"), 7, ...Buffer.from("example"), 0, 0, 1, 0, 1];
    const address = [0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 1];
    const whole = [0xc0, 12, ...address];
    const partly = [3, ...Buffer.from("a.\n"), 0xc0, 16, ...address];
    const alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 45];
    const answer = readAnswer(
      Uint8Array.from([...head, ...asked, ...whole, ...partly, ...alias]),
      7,
      question,
    );
    const ttl = 9_000;
    assert.deepEqual(answer?.answers, [
      { name: "web.example", type: "A", ttl, data: "127.0.0.1" },
      { name: "a\\046\\010.example", type: "A", ttl, data: "127.0.0.1" },
      { name: "web.example", type: "CNAME", ttl, data: "a\\046\\010.example" },
    ]);
  });

  const wrongNames: Readonly<Record<string, readonly number[]>> = {
    "leads to itself": [0xc0, 29],
    "leads behind itself": [0xc0, 40],
    "leads back and forth": [1, 97, 0xc0, 29],
    "has a length that means nothing": [0x40, 1, 1],
    "is too long": [...Array.from({ length: 127 }, () => [1, 97]).flat(), 1, 97, 0],
  };
  for (const [what, wrong] of Object.entries(wrongNames)) {
    test(`with a name that ${what} is no answer`, () => {
      const head = [0, 7, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0];
      const asked = [3, ...Buffer.from("web"), 7, ...Buffer.from("example"), 0, 0, 1, 0, 1];
      const rest = [0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 1];
      const bytes = Uint8Array.from([...head, ...asked, ...wrong, ...rest, ...rest]);
      assert.equal(readAnswer(bytes, 7, question), null);
    });
  }

  test("with a record that is longer or shorter than it should be is no answer", () => {
    for (const length of [3, 5, 255]) {
      const bytes = encode({ ...good, answers: good.answers?.slice(1, 2) ?? [], additionals: [] });
      bytes.writeUInt16BE(length, bytes.length - 6);
      assert.equal(readAnswer(bytes, 7, question), null, `${length}`);
    }
    const alias = encode({ ...good, answers: good.answers?.slice(0, 2) ?? [], additionals: [] });
    const at = alias.indexOf("\x03Box") - 1;
    alias.writeUInt8(alias.readUInt8(at) + 1, at);
    assert.equal(readAnswer(alias, 7, question), null, "a name");
  });

  const others: Readonly<Record<string, Packet>> = {
    "with another id": { ...good, id: 8 },
    "that is a question": { ...good, type: "query" },
    "to another name": { ...good, questions: [{ name: "other.example", type: "A" }] },
    "to another type": { ...good, questions: [{ name: "web.example", type: "AAAA" }] },
    "of another class": { ...good, questions: [{ name: "web.example", type: "A", class: "CH" }] },
    "without a question": { ...good, questions: [] },
    "to two questions": { ...good, questions: [question, question] },
  };
  for (const [what, packet] of Object.entries(others)) {
    test(`${what} is no answer`, () => assert.equal(readAnswer(encode(packet), 7, question), null));
  }

  test("cut anywhere is no answer", () => {
    const bytes = encode(good);
    for (let length = 0; length < bytes.length; length++)
      assert.equal(readAnswer(bytes.subarray(0, length), 7, question), null, `${length}`);
  });

  test("of random bytes never does harm, alone or in place of some of an answer's", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        readAnswer(bytes, 7, question);
      }),
      { numRuns: 2000 },
    );
    const bytes = encode(good);
    const place = fc.tuple(fc.nat(bytes.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }));
    fc.assert(
      fc.property(fc.array(place, { maxLength: 4 }), (changes) => {
        const changed = Buffer.from(bytes);
        for (const [at, some] of changes) changed.set(some.subarray(0, changed.length - at), at);
        readAnswer(changed, 7, question);
      }),
      { numRuns: 2000 },
    );
  });

  test("can only ask for names that fit", () => {
    const fitting = ["a", "_http._tcp.web.example", `${"a".repeat(63)}.b`];
    const others = ["", ".", "a..b", ".a", "a.", `${"a".repeat(64)}.b`, "a b", "ä", `${"a.".repeat(127)}`];
    for (const name of fitting) assert.equal(isDnsName(name), true, name);
    for (const name of others) assert.equal(isDnsName(name), false, name);
  });
});
