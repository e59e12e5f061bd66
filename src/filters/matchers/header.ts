import type { ValueTest } from "../settings.ts";
import type { Predicate } from "./subject.ts";
import { compileValueTest } from "./value.ts";

/** Fields whose values are case-insensitive by definition (RFC 9110 §7.6.1, §7.8). */
const CASE_INSENSITIVE: ReadonlySet<string> = new Set(["connection", "upgrade"]);

/**
 * A header field is present, absent, equal to a value or matched by a regular expression. One that is sent several times,
 * or as a list, equals a value when one of its members does: on the way here somebody may have joined or split it
 * (RFC 9110 §5.3).
 */
export function matchHeader(name: string, test: ValueTest): Predicate {
  switch (test.kind) {
    case "present":
      return ({ request }) => request.headers.has(name);
    case "absent":
      return ({ request }) => !request.headers.has(name);
    case "equals":
      return matchEqual(name, test.value);
    case "regex": {
      const matches = compileValueTest(test);
      return ({ request }) => request.headers.getAll(name).some(matches);
    }
  }
}

function matchEqual(name: string, wanted: string): Predicate {
  const fold = CASE_INSENSITIVE.has(name.toLowerCase());
  const expected = fold ? wanted.toLowerCase() : wanted;
  return ({ request }) => {
    const received = request.headers.get(name);
    if (received === null) return false;
    const value = fold ? received.toLowerCase() : received;
    return value === expected || (value.includes(",") && hasMember(value, expected));
  };
}

function hasMember(list: string, wanted: string): boolean {
  return list.split(",").some((member) => member.trim() === wanted);
}
