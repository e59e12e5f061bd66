import { SteeringError, type SteeringProblem } from "../../control/steering.ts";
import { ApiFault, type ApiResponse, emptyAnswer, textAnswer } from "../http/api-message.ts";
import { textJson } from "../json/write-json.ts";
import { toUpstreamFault } from "../upstreams/problems.ts";

const PROXY_NOT_FOUND = [404, "proxy not found"] as const;

/** What clients know these problems by; the others say themselves what they are. */
const KNOWN: Readonly<Partial<Record<SteeringProblem, readonly [status: number, message: string]>>> = {
  PROXY_NOT_FOUND,
  PROXY_EXISTS: [409, "proxy already exists"],
  TOXIC_NOT_FOUND: [404, "toxic not found"],
  FAULT_NOT_FOUND: [404, "http fault not found"],
  TOXIC_EXISTS: [409, "toxic already exists"],
  TOXIC_TYPE_UNKNOWN: [400, "invalid toxic type"],
};

const STATUSES: Readonly<Partial<Record<SteeringProblem, number>>> = {
  INVALID: 400,
  NOT_CHANGEABLE: 409,
  BUSY: 503,
};

export function badBody(reason: string): ApiFault {
  return new ApiFault(400, `bad request body: ${reason}`);
}

export function missingField(field: string): ApiFault {
  return new ApiFault(400, `missing required field: ${field}`);
}

export function toxicNotFound(): ApiFault {
  return new ApiFault(...KNOWN.TOXIC_NOT_FOUND!);
}

export function faultNotFound(): ApiFault {
  return new ApiFault(...KNOWN.FAULT_NOT_FOUND!);
}

/** What went wrong, as a client is told it. What isn't for clients to know is thrown on. */
export function toFault(error: unknown): ApiFault {
  if (error instanceof ApiFault) return error;
  if (!(error instanceof SteeringError)) return toUpstreamFault(error);
  const { code, message } = error;
  const [status, known] = KNOWN[code] ?? [STATUSES[code] ?? 500, message];
  return new ApiFault(status, known, { cause: error });
}

/** `{"error":"proxy not found","status":404}`: JSON that is sent as plain text, which clients have learned to live with. */
export function faultAnswer(fault: ApiFault): ApiResponse {
  if (fault.message === "") return emptyAnswer(fault.status);
  return textAnswer(fault.status, `{${faultMembers(fault)}}`);
}

export function faultMembers({ message, status }: ApiFault): string {
  return `"error":${textJson(message)},"status":${status}`;
}
