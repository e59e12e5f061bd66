/**
 * JSON as it was written: numbers by their digits and members in their order, repeated ones included, because what is
 * said about a wrong one depends on it.
 */
export type JsonValue =
  | { readonly kind: "null" }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "number"; readonly digits: string }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "array"; readonly items: readonly JsonValue[] }
  | { readonly kind: "object"; readonly members: readonly JsonMember[] };

export type JsonMember = readonly [key: string, value: JsonValue];
