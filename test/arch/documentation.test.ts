import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
/** Those that show code, and how many pieces at the least. */
const guides = { "programming.md": 11, "filters.md": 5, "content-coding.md": 1 };

interface Snippet {
  /** The example that it is taken from; empty when the page names none. */
  readonly source: string;
  readonly lines: readonly string[];
}

/** TypeScript on a page: each piece stands behind a comment that names its source. */
function findSnippets(page: string): Snippet[] {
  const blocks = page.matchAll(/(?:<!-- (\S+) -->\n)?```ts\n([\s\S]*?)```/g);
  return [...blocks].map(([, source = "", code = ""]) => ({ source, lines: toLines(code) }));
}

function toLines(text: string): string[] {
  return text.trimEnd().split("\n");
}

function isPart(lines: readonly string[], whole: readonly string[]): boolean {
  return whole.some((_, start) => lines.every((line, i) => line === whole[start + i]));
}

/** What GitHub makes of a heading. */
function toAnchor(heading: string): string {
  const text = heading.replace(/[^\p{L}\p{N}\s_-]/gu, "").trim();
  return text.toLowerCase().replaceAll(" ", "-");
}

for (const [name, least] of Object.entries(guides)) {
  const guide = join(root, "docs", name);

  describe(`the guide ${name}`, () => {
    test("shows only code that is part of an example, which the tests run", async () => {
      const snippets = findSnippets(await readFile(guide, "utf8"));
      assert.ok(snippets.length >= least, `${snippets.length} snippets`);
      for (const { source, lines } of snippets) {
        assert.match(source, /^examples\/[\w/-]+\.ts$/, `which example is this from?\n${lines.join("\n")}`);
        const whole = toLines(await readFile(join(root, source), "utf8"));
        assert.ok(isPart(lines, whole), `not in ${source}:\n${lines.join("\n")}`);
      }
    });

    test("has no link that leads nowhere", async () => {
      const page = await readFile(guide, "utf8");
      const anchors = new Set([...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => toAnchor(heading)));
      for (const [, target = ""] of page.matchAll(/\]\(([^)]+)\)/g)) {
        if (target.startsWith("#")) assert.ok(anchors.has(target.slice(1)), target);
        else if (!target.startsWith("https:")) await access(join(dirname(guide), target.replace(/#.*$/, "")));
      }
    });
  });
}
