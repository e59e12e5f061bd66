import type { Environment } from "../../config/environment.ts";
import type { ConfigText } from "../../config/load.ts";
import { ApiFault } from "../http/api-message.ts";

/**
 * Reads `{"file": "/etc/sluice/sluice.yaml", "text": "…", "environment": {"NAME": "value"}}`. Variables of the process itself are not
 * for whoever asks, so he brings his own.
 * @throws ApiFault with what is wrong with it
 */
export function readConfigText(body: Uint8Array): ConfigText {
  const value = parse(Buffer.from(body).toString());
  if (!isObject(value)) throw bad("an object is expected");
  const { file, text, environment = {} } = value;
  if (typeof file !== "string" || file === "") throw bad("file is the path of a configuration");
  if (typeof text !== "string") throw bad("text is what the file holds");
  if (!isEnvironment(environment)) throw bad("environment has a text for each variable");
  return { file, text, environment };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw bad((error as Error).message);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEnvironment(value: unknown): value is Environment {
  return isObject(value) && Object.values(value).every((one) => typeof one === "string");
}

function bad(reason: string): ApiFault {
  return new ApiFault(400, `bad request body: ${reason}`);
}
