import type { Attributes } from "../../chaos/attributes.ts";
import type { ToxicChange } from "../../chaos/faults.ts";
import type { ToxicRegistry } from "../../chaos/registry.ts";
import type { ToxicSettings, ToxicType } from "../../chaos/toxic.ts";
import { ApiFault, type ApiRequest } from "../http/api-message.ts";
import { JsonSyntaxError, readFirstJson } from "../json/json-reader.ts";
import type { JsonValue } from "../json/json-value.ts";
import { bool, float32, JsonTypeError, list, raw, readAs, type Shape, struct, text } from "../json/shapes.ts";
import { attributesShape } from "./go-names.ts";
import { badBody, missingField } from "./problems.ts";

/** What a request says of a proxy; what it doesn't say is undefined. */
export interface ProxyFields {
  name: string;
  listen: string;
  upstream: string;
  enabled: boolean;
  protocol: string;
  mode: JsonValue;
  toxics: (JsonValue | undefined)[];
}

const TOXICS = list("[]toxics.ToxicWrapper", raw);

const FIELDS = {
  name: text,
  listen: text,
  upstream: text,
  enabled: bool,
  protocol: text,
  mode: raw,
  toxics: TOXICS,
};

const proxyShape: Shape<Partial<ProxyFields>> = struct<ProxyFields>(
  { type: "toxiproxy.Proxy", name: "Proxy" },
  FIELDS,
);

const ENTRY = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }';

const populationShape = list(
  `[]${ENTRY}`,
  struct<ProxyFields>(
    { type: ENTRY, name: "", embedded: { name: "Proxy", except: ["enabled", "protocol", "mode", "toxics"] } },
    FIELDS,
  ),
);

interface ToxicFields {
  name: string;
  type: string;
  stream: string;
  toxicity: number;
  attributes: object;
}

/** Before a toxic's type is known its attributes need only be an object. */
const toxicShape = struct<ToxicFields>(
  { type: "toxics.ToxicWrapper", name: "ToxicWrapper" },
  {
    name: text,
    type: text,
    stream: text,
    toxicity: float32,
    attributes: struct({ type: "toxics.NoopToxic", name: "NoopToxic" }, {}),
  },
);

const CHANGE =
  'struct { Attributes interface {} "json:\\"attributes\\""; Toxicity float32 "json:\\"toxicity\\"" }';

/** @throws ApiFault */
export async function readBody(request: ApiRequest): Promise<JsonValue> {
  return parseBody(await request.body());
}

/** @throws ApiFault */
export function parseBody(body: Uint8Array): JsonValue {
  return inBody(() => readFirstJson(body));
}

export function readProxy(value: JsonValue): Partial<ProxyFields> {
  return inBody(() => readAs(proxyShape, value)) ?? {};
}

/** A proxy of a population, with all that it must have. */
export type PopulationEntry = Partial<ProxyFields> & Pick<ProxyFields, "name" | "upstream">;

/** All of them are checked before anything is done. */
export function readPopulation(value: JsonValue): PopulationEntry[] {
  const entries = inBody(() => readAs(populationShape, value)) ?? [];
  return entries.map((entry, i) => withRequired(entry ?? {}, ` at proxy ${i + 1}`));
}

/** @throws ApiFault when the name or the server is missing or empty */
export function withRequired(fields: Partial<ProxyFields>, where = ""): PopulationEntry {
  const { name = "", upstream = "" } = fields;
  if (name === "") throw missingField(`name${where}`);
  if (upstream === "") throw missingField(`upstream${where}`);
  return { ...fields, name, upstream };
}

const cutShape = struct<{ connection: string }>({ type: "Cut", name: "Cut" }, { connection: text });

/** Which connection to cut; none named is all of them, and so is no body at all. */
export async function readCut(request: ApiRequest): Promise<{ connection?: string }> {
  const body = await request.body();
  if (body.length === 0) return {};
  return inBody(() => readAs(cutShape, parseBody(body))) ?? {};
}

const httpFaultShape = struct<{ enabled: boolean }>(
  { type: "HttpFault", name: "HttpFault" },
  { enabled: bool },
);

/** What is to become of a fault on a route. @throws ApiFault */
export function readHttpFaultChange(value: JsonValue): { enabled?: boolean } {
  return inBody(() => readAs(httpFaultShape, value)) ?? {};
}

/** A new toxic. @param isTaken whether there is one of that name */
export function readToxic(
  value: JsonValue,
  registry: ToxicRegistry,
  isTaken: (name: string) => boolean,
): ToxicSettings {
  const given = inBody(() => readAs(toxicShape, value)) ?? {};
  const { type: typeName = "", stream = "downstream", toxicity = 1 } = given;
  if (!/^(?:up|down)stream$/i.test(stream))
    throw new ApiFault(400, "stream was invalid, can be either upstream or downstream");
  const type = registry.get(typeName);
  if (type === undefined) throw new ApiFault(400, "invalid toxic type");
  const name = given.name || `${typeName}_${stream}`;
  if (isTaken(name)) throw new ApiFault(409, "toxic already exists");
  const { attributes = {} } = readToxicChange(value, type);
  return { name, type: typeName, stream, toxicity, attributes };
}

/** What of a toxic may be changed. */
export function readToxicChange(value: JsonValue, type: ToxicType): ToxicChange {
  const shape = struct<{ attributes: Attributes; toxicity: number }>(
    { type: CHANGE, name: "" },
    { attributes: attributesShape(type), toxicity: float32 },
  );
  return inBody(() => readAs(shape, value)) ?? {};
}

function inBody<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof JsonTypeError) throw badBody(error.message);
    throw error;
  }
}
