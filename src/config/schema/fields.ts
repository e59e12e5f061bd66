import * as z from "zod";
import type { FieldChanges, FieldList } from "../../filters/settings.ts";
import { isFieldValue, isToken } from "../../http/characters.ts";
import { oneOf, oneOrMore, parsedBy, section, text } from "./values.ts";

/** Names with one value or several. */
const VALUES_EXPECTED = "a text or a number";

const value: z.ZodType<string> = oneOf(VALUES_EXPECTED, [
  z.string({ error: VALUES_EXPECTED }),
  z.number({ error: VALUES_EXPECTED }),
]).transform(String);

function fieldMap(name: z.ZodType<string, string>, one: z.ZodType<string>): z.ZodType<FieldList> {
  const expected = "a map of names to values";
  return z
    .record(name, oneOrMore(one, VALUES_EXPECTED), { error: expected })
    .transform((fields) =>
      Object.entries(fields).flatMap(([key, values]) => values.map((item) => [key, item] as const)),
    );
}

/** Fields that frame and route a message are the proxy's own: changed by hand they split one message into two. */
const OWN_FIELDS: ReadonlyMap<string, string> = new Map([
  ["host", "use rewrite: {host: …} instead"],
  ["connection", "the proxy writes it itself"],
  ["content-length", "the proxy writes it itself"],
  ["keep-alive", "the proxy writes it itself"],
  ["proxy-connection", "the proxy writes it itself"],
  ["te", "the proxy writes it itself"],
  ["trailer", "the proxy writes it itself"],
  ["transfer-encoding", "the proxy writes it itself"],
  ["upgrade", "the proxy writes it itself"],
]);

const NAME_EXPECTED = "the name of a header field, like X-Request-Id";

const anyHeaderName = text(NAME_EXPECTED).refine(isToken, { error: NAME_EXPECTED });

/** A field that may be looked at. */
export const headerName: z.ZodType<string, string> = anyHeaderName;

const changeableName: z.ZodType<string, string> = anyHeaderName.check(checkChangeable);

function checkChangeable(context: z.core.ParsePayload<string>): void {
  const reason = OWN_FIELDS.get(context.value.toLowerCase());
  if (reason === undefined) return;
  const params = { reason: `${context.value} can't be changed: ${reason}` };
  context.issues.push({ code: "custom", input: context.value, message: "another header field", params });
}

/** A health check is a request of its own: it may ask for any host. */
const probeFieldName: z.ZodType<string, string> = anyHeaderName.check((context) => {
  if (context.value.toLowerCase() !== "host") checkChangeable(context);
});

const headerValue: z.ZodType<string> = parsedBy(
  value,
  "a text without line breaks and control characters",
  (field) => {
    if (!isFieldValue(field)) throw new RangeError("a header field can't hold this");
    return field.trim();
  },
);

export const headerFields: z.ZodType<FieldList> = fieldMap(changeableName, headerValue);

/** The fields of requests that the proxy makes itself. */
export const probeFields: z.ZodType<FieldList> = fieldMap(probeFieldName, headerValue);

interface ChangesDocument {
  readonly remove?: readonly string[] | undefined;
  readonly set?: FieldList | undefined;
  readonly add?: FieldList | undefined;
}

function toChanges({ remove = [], set = [], add = [] }: ChangesDocument): FieldChanges | null {
  return remove.length + set.length + add.length === 0 ? null : { remove, set, add };
}

/** Changes to the fields of a head. */
export const headerChanges: z.ZodType<FieldChanges | null> = section(
  "HeaderChanges",
  "Changes to header fields, made in this order: `remove`, `set`, `add`.",
  {
    remove: oneOrMore(changeableName, NAME_EXPECTED).optional().describe("Fields to take out, by name."),
    set: headerFields.optional().describe("Fields to set: whatever they were before is replaced."),
    add: headerFields.optional().describe("Fields to add besides others of the same name."),
  },
).transform(toChanges);

const parameterName: z.ZodType<string, string> = text("the name of a query parameter");

/** Changes to the parameters of a query. */
export const queryChanges: z.ZodType<FieldChanges | null> = section(
  "QueryChanges",
  "Changes to query parameters, made in this order: `remove`, `set`, `add`. Parameters that aren't named stay as they came.",
  {
    remove: oneOrMore(parameterName, "the name of a query parameter")
      .optional()
      .describe("Parameters to take out, by name."),
    set: fieldMap(parameterName, value)
      .optional()
      .describe("Parameters to set: whatever they were before is replaced."),
    add: fieldMap(parameterName, value)
      .optional()
      .describe("Parameters to add besides others of the same name."),
  },
).transform(toChanges);
