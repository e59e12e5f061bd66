import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeBlock, encodeBlock, type Pair } from "../../../test/kit/hpack.ts";
import { BlockKind } from "./field-block.ts";
import { HeaderDecoder } from "./header-decoder.ts";
import { HeaderEncoder } from "./header-encoder.ts";

const PSEUDO: readonly Pair[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "shop.example"],
  [":path", "/"],
];

function withField(name: string, value: string): Pair[] {
  return name === ":path" ? [...PSEUDO.slice(0, 3), [name, value]] : [...PSEUDO, [name, value]];
}

/** As long as the other in any coding. */
function otherOf(value: string): string {
  return [...value].reverse().join("");
}

/** What is sent for a value that somebody has sent before, and for another one. */
function sizes(name: string, value: string): [right: number, wrong: number] {
  return [value, otherOf(value)].map((guess) => {
    const encoder = new HeaderEncoder(undefined, true);
    for (let i = 0; i < 3; i++) encodeBlock(encoder, withField(name, value));
    return encodeBlock(encoder, withField(name, guess)).length;
  }) as [number, number];
}

describe("a connection that many clients share", () => {
  const secrets: readonly Pair[] = [
    ["cookie", "pin=1234"],
    ["cookie", "session=5f1d7a3b9c8e42d6a0b1c2d3e4f5; theme=dark"],
    ["authorization", "Basic dXNlcjpwYXNzd29yZA=="],
    ["proxy-authorization", "Bearer abcdefgh"],
    ["x-api-key", "k-19283746"],
    ["x-csrf-token", "9f8e7d6c5b4a"],
    ["x-session", "abc123def"],
    ["x-amz-security-token", "FwoGZXIvYXdzE"],
    [":path", "/users/alice"],
    [":path", "/reset?token=12345678"],
    ["referer", "https://shop.example/reset?token=12345678"],
    ["x-forwarded-for", "203.0.113.97"],
    ["if-none-match", '"a1b2c3"'],
  ];
  for (const [name, value] of secrets) {
    test(`tells nobody whether ${name}: ${value} was sent before`, () => {
      const [right, wrong] = sizes(name, value);
      assert.equal(right, wrong);
    });
  }

  const common: readonly Pair[] = [
    [":authority", "a.shop.example"],
    ["user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"],
    ["accept", "text/html,application/xhtml+xml"],
    ["accept-language", "de-CH,de;q=0.9"],
    ["content-type", "application/grpc+proto"],
    ["sec-fetch-site", "same-origin"],
    ["x-forwarded-proto", "https"],
  ];
  for (const [name, value] of common) {
    test(`sends ${name} as an index`, () => {
      const fields = name === ":authority" ? PSEUDO.with(2, [name, value]) : withField(name, value);
      const encoder = new HeaderEncoder(undefined, true);
      encodeBlock(encoder, fields);
      assert.equal(encodeBlock(encoder, fields).length, name === ":authority" ? 4 : 5);
    });
  }

  test("marks what nobody behind it may remember either", () => {
    for (const [name, value] of [
      ["authorization", "Basic dXNlcjpwYXNzd29yZA=="],
      ["cookie", "session=5f1d7a3b9c8e42d6a0b1c2d3e4f5"],
    ] as const) {
      const bytes = encodeBlock(new HeaderEncoder(undefined, true), withField(name, value));
      const { block, pairs } = decodeBlock(bytes, BlockKind.Request, new HeaderDecoder());
      assert.deepEqual(pairs.at(-1), [name, value]);
      assert.equal(block.hasGuarded, true);
    }
  });
});
