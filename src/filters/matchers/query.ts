import type { ValueTest } from "../settings.ts";
import type { Predicate } from "./subject.ts";
import { compileValueTest } from "./value.ts";

/** A query parameter, decoded. One that is sent several times passes when one of its values does. */
export function matchQuery(name: string, test: ValueTest): Predicate {
  switch (test.kind) {
    case "present":
      return (subject) => subject.query.has(name);
    case "absent":
      return (subject) => !subject.query.has(name);
    default: {
      const matches = compileValueTest(test);
      return (subject) => subject.query.getAll(name).some(matches);
    }
  }
}
