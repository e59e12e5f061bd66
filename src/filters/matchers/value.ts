import type { ValueTest } from "../settings.ts";

/** Whether one of the values passes: a test for `equals` or `regex`. */
export function compileValueTest(
  test: ValueTest & { readonly kind: "equals" | "regex" },
): (value: string) => boolean {
  if (test.kind === "equals") return (value) => value === test.value;
  const regex = new RegExp(test.pattern, "u");
  return (value) => regex.test(value);
}
