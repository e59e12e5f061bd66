import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeBlock, hex, integer, type Pair } from "../../../test/kit/hpack.ts";
import { BlockKind, FieldBlock } from "./field-block.ts";
import { Pseudo } from "./field-kinds.ts";
import { DecodeOutcome, HeaderDecoder } from "./header-decoder.ts";

/** A block, what it says, and the bytes that the table has then. */
type Step = readonly [block: string, fields: readonly Pair[], table: number];

function replay(kind: BlockKind, tableSize: number, steps: readonly Step[]): void {
  const decoder = new HeaderDecoder();
  const block = new FieldBlock();
  let update = tableSize === 4096 ? Buffer.alloc(0) : integer(tableSize, 0x1f, 0x20);
  for (const [digits, fields, table] of steps) {
    const bytes = Buffer.concat([update, hex(digits)]);
    const { outcome, pairs } = decodeBlock(bytes, kind, decoder, block);
    update = Buffer.alloc(0);
    assert.equal(outcome, DecodeOutcome.Complete);
    assert.deepEqual(pairs, fields);
    assert.equal(decoder.tableBytes, table);
  }
}

const example = [
  [":authority", "www.example.com"],
  [":path", "/"],
] as const;
const request1: Pair[] = [[":method", "GET"], [":scheme", "http"], ...example];
const request2: Pair[] = [...request1, ["cache-control", "no-cache"]];
const request3: Pair[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "www.example.com"],
  [":path", "/index.html"],
  ["custom-key", "custom-value"],
];

const date21: Pair = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const date22: Pair = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"];
const location: Pair = ["location", "https://www.example.com"];
const response1: Pair[] = [[":status", "302"], ["cache-control", "private"], date21, location];
const response2: Pair[] = [[":status", "307"], ...response1.slice(1)];
const response3: Pair[] = [
  [":status", "200"],
  ["cache-control", "private"],
  date22,
  location,
  ["content-encoding", "gzip"],
  ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
];

describe("the examples of RFC 7541 Appendix C", () => {
  test("C.3: requests without Huffman coding", () => {
    replay(BlockKind.Request, 4096, [
      ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", request1, 57],
      ["8286 84be 5808 6e6f 2d63 6163 6865", request2, 110],
      ["8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", request3, 164],
    ]);
  });

  test("C.4: requests with Huffman coding", () => {
    replay(BlockKind.Request, 4096, [
      ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", request1, 57],
      ["8286 84be 5886 a8eb 1064 9cbf", request2, 110],
      ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", request3, 164],
    ]);
  });

  test("C.5: responses without Huffman coding, in a table of 256 bytes", () => {
    replay(BlockKind.Response, 256, [
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
         6c65 2e63 6f6d`,
        response1,
        222,
      ],
      ["4803 3330 37c1 c0bf", response2, 222],
      [
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
         3d31`,
        response3,
        215,
      ],
    ]);
  });

  test("C.6: responses with Huffman coding, in a table of 256 bytes", () => {
    replay(BlockKind.Response, 256, [
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
        response1,
        222,
      ],
      ["4883 640e ffc1 c0bf", response2, 222],
      [
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
         9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
        response3,
        215,
      ],
    ]);
  });

  test("C.2: each representation", () => {
    const literal = (digits: string) => decodeBlock(hex(digits), BlockKind.Trailers).pairs;
    assert.deepEqual(literal("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"), [
      ["custom-key", "custom-header"],
    ]);
    assert.deepEqual(literal("1008 7061 7373 776f 7264 0673 6563 7265 74"), [["password", "secret"]]);
    const request = hex("82 86 41 01 61 04 0c 2f73 616d 706c 652f 7061 7468");
    assert.equal(decodeBlock(request, BlockKind.Request).block.pseudoText(Pseudo.Path), "/sample/path");
  });
});
