import { ApiFault } from "./api-message.ts";

/** A JSON object as it was sent: what its members are nobody has looked at yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The JSON object that a request's body is.
 * @throws ApiFault when it is something else
 */
export function readObject(body: Uint8Array): JsonObject {
  const value = parse(Buffer.from(body).toString());
  if (!isObject(value)) throw badBody("an object is expected");
  return value;
}

/** What a client is told that has sent something wrong. */
export function badBody(reason: string): ApiFault {
  return new ApiFault(400, `bad request body: ${reason}`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badBody((error as Error).message);
  }
}
