import type { ServerOrder } from "../../upstream/group-status.ts";
import { isWeight, MAX_WEIGHT } from "../../upstream/server.ts";
import { badBody, readObject } from "../http/object-body.ts";

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
  const change = readObject(body);
  const unknown = Object.keys(change).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined)
    throw badBody(`${JSON.stringify(unknown)} can't be changed: there are ${MEMBERS.join(" and ")}`);
  if (Object.keys(change).length === 0) throw badBody(`nothing to change: name ${MEMBERS.join(" or ")}`);
  const { state, weight } = change;
  if (state !== undefined && !ORDERS.includes(state)) throw badBody(`state is one of ${ORDERS.join(", ")}`);
  if (weight !== undefined && !(typeof weight === "number" && isWeight(weight)))
    throw badBody(`weight is a whole number from 1 to ${MAX_WEIGHT}`);
  return change;
}
