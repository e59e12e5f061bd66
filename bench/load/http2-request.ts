/** A field of HTTP/2: its name, in small letters, and its value. */
export type Field = readonly [name: string, value: string];

/** Fields that HTTP/2 doesn't have. */
const connectionFields: ReadonlySet<string> = new Set(["connection", "host"]);

/**
 * The fields, all but `:scheme`, with which HTTP/2 asks what a request of HTTP/1 without a body asks. Each cookie has
 * a field of its own, as browsers send them (RFC 9113 §8.2.3).
 */
export function fieldsOf(request: string): Field[] {
  const [startLine = "", ...lines] = request.trimEnd().split("\r\n");
  const [method = "", path = ""] = startLine.split(" ");
  const fields = lines.map(fieldIn);
  const authority = fields.find(([name]) => name === "host")?.[1] ?? "";
  return [
    [":method", method],
    [":authority", authority],
    [":path", path],
    ...fields.filter(([name]) => !connectionFields.has(name)).flatMap(crumbsOf),
  ];
}

function fieldIn(line: string): Field {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

function crumbsOf([name, value]: Field): Field[] {
  if (name !== "cookie") return [[name, value]];
  return value.split("; ").map((crumb): Field => [name, crumb]);
}
