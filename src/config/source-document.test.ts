// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how variables are written
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SourceDocument } from "./source-document.ts";

const text = `# a comment
listeners:
  - bind: 8080
    limits: &limits { head: 1k }
  - <<: { name: x }
    limits: *limits
    "quoted key": [1, two]
`;

function positionOf(path: readonly PropertyKey[], atKey = false): string {
  const problem = new SourceDocument(text, "a.yaml", {}).locate({ path, message: "", atKey });
  return `${problem.line}:${problem.column}`;
}

describe("a document knows where everything stands", () => {
  test("values and keys", () => {
    assert.equal(positionOf(["listeners", 0, "bind"]), "3:11");
    assert.equal(positionOf(["listeners", 0, "bind"], true), "3:5");
    assert.equal(positionOf(["listeners", 1, "quoted key", 1]), "7:23");
    assert.equal(positionOf(["listeners", 1]), "5:5");
    assert.equal(positionOf([]), "2:1");
  });

  test("what comes from elsewhere, by alias", () => {
    assert.equal(positionOf(["listeners", 1, "limits", "head"]), "4:29");
  });

  test("what isn't there, by what should hold it", () => {
    assert.equal(positionOf(["listeners", 1, "bind"]), "5:5");
    assert.equal(positionOf(["listeners", 1, "name"]), "5:5");
    assert.equal(positionOf(["listeners", 7, "bind", "x"]), "3:3");
    assert.equal(positionOf(["upstreams"]), "2:1");
  });
});

describe("a document with variables", () => {
  const fill = (yaml: string): unknown => {
    const document = new SourceDocument(yaml, "a.yaml", {
      N: "4",
      YES: "true",
      LIST: "[1, 2]",
      COLON: "a: b",
    });
    assert.deepEqual(document.problems, []);
    return document.toValue();
  };

  test("has the values that YAML would have read", () => {
    assert.deepEqual(fill("a: ${N}\nb: ${YES}\nc: x${N}\nd: ${M:-1.5}\ne: ${M:--2}"), {
      ...{ a: 4, b: true, c: "x4", d: 1.5 },
      e: -2,
    });
  });

  test("keeps what is quoted as text", () => {
    assert.deepEqual(fill("a: \"${N}\"\nb: '${YES}'\nc: |\n  ${N}\n"), { a: "4", b: "true", c: "4\n" });
  });

  test("gets no structure from them", () => {
    assert.deepEqual(fill("a: ${LIST}\nb: ${COLON}\nc: ['${N}']"), { a: "[1, 2]", b: "a: b", c: ["4"] });
  });

  test("leaves keys alone", () => {
    assert.deepEqual(fill("${N}: 1"), { "${N}": 1 });
  });
});

test("aliases that multiply are refused", () => {
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]", "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]"];
  bomb.push("c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]", "d: [*c, *c, *c, *c, *c, *c, *c, *c, *c]");
  assert.throws(() => new SourceDocument(bomb.join("\n"), "a.yaml", {}).toValue(), { name: "ConfigError" });
});
