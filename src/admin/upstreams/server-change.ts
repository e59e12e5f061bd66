import type { ServerOrder } from "../../upstream/group-status.ts";
import { isWeight, MAX_WEIGHT } from "../../upstream/server.ts";
import { ApiFault } from "../http/api-message.ts";

/** What a server is to be; what isn't said stays. */
export interface ServerChange {
  readonly state?: ServerOrder;
  readonly weight?: number;
}

const ORDERS: readonly unknown[] = ["enabled", "draining", "disabled"] satisfies readonly ServerOrder[];
const MEMBERS: readonly string[] = ["state", "weight"];

/**
 * Reads `{"state": "draining", "weight": 5}`, either of them. All of it is checked before anything is done.
 * @throws ApiFault with what is wrong with it
 */
export function readServerChange(body: Uint8Array): ServerChange {
  const change = parseObject(Buffer.from(body).toString());
  const unknown = Object.keys(change).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined)
    throw bad(`${JSON.stringify(unknown)} can't be changed: there are ${MEMBERS.join(" and ")}`);
  if (Object.keys(change).length === 0) throw bad(`nothing to change: name ${MEMBERS.join(" or ")}`);
  const { state, weight } = change;
  if (state !== undefined && !ORDERS.includes(state)) throw bad(`state is one of ${ORDERS.join(", ")}`);
  if (weight !== undefined && !(typeof weight === "number" && isWeight(weight)))
    throw bad(`weight is a whole number from 1 to ${MAX_WEIGHT}`);
  return change;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch (error) {
    throw bad((error as Error).message);
  }
  throw bad("an object is expected");
}

function bad(reason: string): ApiFault {
  return new ApiFault(400, `bad request body: ${reason}`);
}
