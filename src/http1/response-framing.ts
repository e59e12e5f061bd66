import type { BodyLength } from "../http/heads.ts";
import { isBodiless } from "../http/status.ts";
import type { ResponseFraming } from "./head-encoder.ts";

/** How a response is framed so that the client finds its end where it is, whatever `body` says. */
export function frameResponse(
  status: number,
  body: BodyLength,
  method: string,
  isHttp11: boolean,
): ResponseFraming {
  if (isBodiless(status) || (method === "CONNECT" && status < 300)) return "none";
  if (body === "none") return method === "HEAD" ? "none" : 0;
  // HTTP/1.0 knows no chunks: the end of such a body is the end of the connection.
  return body === "unknown" && !isHttp11 ? "until-close" : body;
}
