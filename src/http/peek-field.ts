import type { FieldName } from "./field-names.ts";
import { indexOfField, valueAt } from "./field-table.ts";
import type { RequestHead, ResponseHead } from "./heads.ts";

/**
 * The value of a field as `headers.get` tells it, without making headers where nobody has looked at them yet.
 * @returns null when there is no such field
 */
export function peekField(head: RequestHead | ResponseHead, name: FieldName): string | null {
  if (head.touchedHeaders !== null) return head.touchedHeaders.get(name.lowercase);
  const table = head.source.table();
  const index = indexOfField(table, name, 0);
  if (index === -1) return null;
  // Several are joined, which is the headers' business.
  return indexOfField(table, name, index + 1) === -1
    ? valueAt(table, index)
    : head.headers.get(name.lowercase);
}
