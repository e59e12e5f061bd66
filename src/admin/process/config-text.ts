import type { Environment } from "../../config/environment.ts";
import type { ConfigText } from "../../config/load.ts";
import { badBody, isObject, readObject } from "../http/object-body.ts";

/**
 * Reads `{"file": "/etc/sluice/sluice.yaml", "text": "…", "environment": {"NAME": "value"}}`. Variables of the process itself are not
 * for whoever asks, so he brings his own.
 * @throws ApiFault with what is wrong with it
 */
export function readConfigText(body: Uint8Array): ConfigText {
  const { file, text, environment = {} } = readObject(body);
  if (typeof file !== "string" || file === "") throw badBody("file is the path of a configuration");
  if (typeof text !== "string") throw badBody("text is what the file holds");
  if (!isEnvironment(environment)) throw badBody("environment has a text for each variable");
  return { file, text, environment };
}

function isEnvironment(value: unknown): value is Environment {
  return isObject(value) && Object.values(value).every((one) => typeof one === "string");
}
