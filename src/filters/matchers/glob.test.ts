import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileGlob } from "./glob.ts";

test("a star stands for one or more characters", () => {
  for (const [pattern, yes, no] of [
    ["*.a.b", ["x.a.b", "x.y.a.b", "-.a.b"], [".a.b", "a.b", "xa.b", "x.a.bc"]],
    ["a.*", ["a.b", "a.b.c"], ["a.", "a", "b.a.c"]],
    ["a*c", ["abc", "abbc", "acc"], ["ac", "ab", "bc"]],
    ["*", ["a", "ab"], [""]],
    ["a*b*c", ["a-b-c", "abbbc", "axbxbxc"], ["abc", "a-bc", "ab-c", "a-b-cd"]],
    ["**", ["ab", "abc"], ["a", ""]],
    ["abc", ["abc"], ["ab", "abcd", "ABC"]],
  ] as const) {
    const matches = compileGlob(pattern);
    for (const text of yes) assert.equal(matches(text), true, `${pattern} ${text}`);
    for (const text of no) assert.equal(matches(text), false, `${pattern} ${text}`);
  }
});

test("a glob is the regular expression it looks like", () => {
  const text = (alphabet: string): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 9 });
  fc.assert(
    fc.property(text("ab.*"), text("ab."), (pattern, subject) => {
      const regex = new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".+")}$`);
      assert.equal(compileGlob(pattern)(subject), regex.test(subject));
    }),
    { numRuns: 5000 },
  );
});
