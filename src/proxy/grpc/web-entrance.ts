import { toFieldName } from "../../http/field-names.ts";
import { parseWebContent, wantsText } from "../../http/grpc/grpc-content.ts";
import type { RequestHead } from "../../http/heads.ts";
import { peekField } from "../../http/peek-field.ts";
import type { RequestSink } from "../../http/server-application.ts";
import type { DownstreamStream } from "../../http/streams.ts";
import type { ResponseInit } from "../session.ts";
import { DEFAULT_GRPC_WEB, GrpcWebCors, type GrpcWebSettings } from "./web-cors.ts";
import { GrpcWebStream } from "./web-stream.ts";
import { WebTextRequest } from "./web-text-request.ts";

const CONTENT_TYPE = toFieldName("content-type");

/** A call of gRPC-Web as what it means. */
export interface TranslatedCall {
  readonly client: DownstreamStream;
  readonly request: RequestHead;
  /** Whether what the client sends is base64 text. */
  readonly isText: boolean;
}

/**
 * Where calls of gRPC-Web become calls of gRPC: before there is a session, so that routes, filters, limits, deadlines and
 * the relay know one kind of call.
 *
 *     browser ──HTTP/1 or 2, gRPC-Web──▶ [entrance] ──▶ session ──▶ server
 *             ◀─[web-stream: base64, trailers]──────────────◀──────
 */
export class GrpcWebEntrance {
  readonly #cors: GrpcWebCors | null;

  constructor(settings: Partial<GrpcWebSettings>) {
    const all = { ...DEFAULT_GRPC_WEB, ...settings };
    this.#cors = all.origins.length === 0 ? null : new GrpcWebCors(all);
  }

  /** The call in a request of gRPC-Web; null for another request, of which nothing was touched. */
  translate(client: DownstreamStream, request: RequestHead): TranslatedCall | null {
    if (request.method !== "POST") return null;
    const type = peekField(request, CONTENT_TYPE);
    const content = type === null ? null : parseWebContent(type);
    if (content === null) return null;
    const { headers } = request;
    const answer = {
      isText: wantsText(headers.get("accept"), content.isText),
      cors: this.#cors,
      origin: this.#cors?.originOf(request) ?? null,
    };
    // Calls tell no length; that of a text would be wrong.
    const call = request.fork("unknown");
    call.headers.set("content-type", `application/grpc${content.rest}`);
    call.headers.set("te", "trailers");
    call.headers.delete("content-length");
    return { client: new GrpcWebStream(client, answer), request: call, isText: content.isText };
  }

  /** What answers a browser that asks whether a page of another origin may call; null: that isn't what it asks. */
  preflightAnswer(request: RequestHead): ResponseInit | null {
    return this.#cors?.preflightAnswer(request) ?? null;
  }
}

/** What hears the rest of a translated call, for its session. */
export function sinkOf({ isText }: TranslatedCall, session: RequestSink): RequestSink {
  return isText ? new WebTextRequest(session) : session;
}
