import type { Predicate } from "./subject.ts";

/** The method is one of these, compared exactly (RFC 9110 §9.1). */
export function matchMethod(methods: readonly string[]): Predicate {
  const [only] = methods;
  if (methods.length === 1) return ({ request }) => request.method === only;
  return ({ request }) => methods.includes(request.method);
}
