import { type Kind, kinds, type TestCase } from "./catalogue.ts";
import { missed, type Outcome, passed, type Verdicts } from "./verdicts.ts";

/** How outcomes are shown. */
const marks: Readonly<Record<Outcome, string>> = {
  ...{ pass: "yes", fail: "no", setup: "setup", retry: "retry", timeout: "timeout", dependency: "-" },
  untested: "",
};

const titles: Readonly<Record<Kind, string>> = {
  required: "required",
  optimal: "optional",
  check: "behaviour (neither good nor bad)",
};

/** How many of each kind the proxies pass: a table in Markdown. */
export function summary(all: readonly Verdicts[], tests: readonly TestCase[]): string {
  const totals = kinds.map((kind) => tests.filter((test) => test.kind === kind).length);
  return table(
    ["proxy", "version", ...kinds.map((kind, i) => `${titles[kind]}, of ${totals[i]}`)],
    all.map((verdicts) => [
      verdicts.proxy,
      verdicts.version,
      ...kinds.map((kind) => String(passed(verdicts, tests, kind).length)),
    ]),
  );
}

/** The same by the suite's groups, the required ones and the optional ones together: `required/optional`. */
export function byGroup(all: readonly Verdicts[], tests: readonly TestCase[]): string {
  const groups = new Set(tests.filter(({ kind }) => kind !== "check").map(({ group }) => group));
  return table(
    ["required + optional", "there are", ...all.map(({ proxy }) => proxy)],
    [...groups].map((group) => {
      const own = tests.filter((test) => test.group === group);
      const count = (kind: Kind): number => own.filter((test) => test.kind === kind).length;
      const columns = all.map((verdicts) => {
        const [required, optimal] = (["required", "optimal"] as const).map(
          (kind) => passed(verdicts, own, kind).length,
        );
        return `${required} + ${optimal}`;
      });
      return [group, `${count("required")} + ${count("optimal")}`, ...columns];
    }),
  );
}

/** Every test of a kind, side by side. */
export function byTest(all: readonly Verdicts[], tests: readonly TestCase[], kind: Kind): string {
  return table(
    [titles[kind], ...all.map(({ proxy }) => proxy)],
    tests
      .filter((test) => test.kind === kind)
      .map(({ id }) => [id, ...all.map(({ outcomes }) => marks[outcomes.get(id) ?? "untested"])]),
  );
}

/** The tests that a proxy fails, each with what it demands and what was found. */
export function failures(verdicts: Verdicts, tests: readonly TestCase[], kind: Kind): string {
  const lines = missed(verdicts, tests, kind).map(({ id, name, dependsOn }) => {
    const outcome = verdicts.outcomes.get(id) ?? "untested";
    const needed = outcome === "dependency" ? `: needs ${dependsOn.join(", ")}` : "";
    const complaint = verdicts.complaints.get(id) ?? "";
    return `  ${id} (${outcome}${needed}): ${name}${complaint === "" ? "" : `\n    ${complaint}`}`;
  });
  return [`${verdicts.proxy}: ${lines.length} ${titles[kind]} tests not passed`, ...lines, ""].join("\n");
}

/** The optional tests that the best of them passes and this one doesn't. */
export function behind(
  verdicts: Verdicts,
  others: readonly Verdicts[],
  tests: readonly TestCase[],
): readonly string[] {
  return missed(verdicts, tests, "optimal")
    .filter(({ id }) => others.some(({ outcomes }) => outcomes.get(id) === "pass"))
    .map(({ id }) => id);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...rows.map(row), ""].join("\n");
}
