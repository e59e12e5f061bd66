/*
 * What a configuration holds, for people and programs that may see it but not its secrets. Tokens, passwords and keys are told
 * by their names, or by how they look; what is masked twice looks the same, whether it was or not.
 */

const MASK = "***";

/** Names of settings whose values are secrets. */
const SECRET_SETTINGS: ReadonlySet<string> = new Set([
  "token",
  "secret",
  "password",
  "passphrase",
  "key_log",
  // Whatever a plugin is told.
  "config",
]);
/** Names of header fields, cookies and parameters that carry some. */
const SECRET_FIELD = /auth|cookie|token|secret|passw|session|api-?key/i;
const PEM = "-----BEGIN ";
/** Credentials in a URL, wherever it stands in a text. */
const CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/)[^/?#\s"]*@/gi;
/** Parameters of a URL or of a path that carry one. */
const SECRET_PARAMETER = /([?&][^=&#\s"]*(?:auth|token|secret|passw|session|key|sig)[^=&#\s"]*=)[^&#\s"]+/gi;
/** Settings whose entries are header fields, cookies and parameters with their names. */
const FIELDS: ReadonlySet<string> = new Set(["set", "add", "header", "headers", "query", "cookie"]);

/** A value as JSON has it, without secrets. @param name that of the setting it belongs to */
export function maskSecrets(value: unknown, name: string = ""): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (SECRET_SETTINGS.has(name)) return MASK;
  if (typeof value === "number") return value;
  if (typeof value === "string") return value.includes(PEM) ? MASK : maskCredentials(value);
  if (ArrayBuffer.isView(value)) return MASK;
  if (Array.isArray(value))
    return FIELDS.has(name) && isField(value) ? maskField(value) : value.map((one) => maskSecrets(one, name));
  if (typeof value !== "object") return null;
  const masked = Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, maskSecrets(inner, key)]),
  );
  return isSecretTest(value) ? { ...masked, test: MASK } : masked;
}

/** True of what looks for a secret in a request, in a header field or a parameter of its name. */
export function isSecretTest(value: object): boolean {
  return (
    "test" in value && "name" in value && typeof value.name === "string" && SECRET_FIELD.test(value.name)
  );
}

/** A text without the credentials that URLs in it have. */
export function maskCredentials(text: string): string {
  return text.replace(CREDENTIALS, `$1${MASK}@`).replace(SECRET_PARAMETER, `$1${MASK}`);
}

/** True where whatever stands below is a secret. */
export function isSecretPart(part: PropertyKey, at: number, path: readonly PropertyKey[]): boolean {
  const name = String(part);
  return SECRET_SETTINGS.has(name) || (FIELDS.has(String(path[at - 1])) && SECRET_FIELD.test(name));
}

type Field = readonly [name: string, value: string];

/** A name and a value. */
function isField(value: readonly unknown[]): value is Field {
  return value.length === 2 && value.every((part) => typeof part === "string");
}

function maskField([name, value]: Field): Field {
  return [name, SECRET_FIELD.test(name) ? MASK : value];
}
