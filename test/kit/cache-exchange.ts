import assert from "node:assert/strict";
import { encodeMeta, type ResponseMeta } from "../../src/cache/meta.ts";
import { MetaView } from "../../src/cache/meta-view.ts";
import { lifetimeOf } from "../../src/cache/rules/lifetime.ts";
import { type CachePolicy, DEFAULT_POLICY } from "../../src/cache/rules/policy.ts";
import { requestDirectives } from "../../src/cache/rules/request-directives.ts";
import { requestFieldsOf } from "../../src/cache/rules/request-fields.ts";
import { readResponse } from "../../src/cache/rules/response-facts.ts";
import type { Fetched } from "../../src/cache/rules/storability.ts";
import { toMeta } from "../../src/cache/rules/to-meta.ts";
import { type BodyLength, RequestHead, ResponseHead } from "../../src/http/heads.ts";
import type { HeadersInit } from "../../src/http/http-headers.ts";

/** When the responses of these tests come, in milliseconds since 1970. */
export const CAME: number = Date.UTC(2026, 10, 22, 12);

/** A date so many seconds from then, as HTTP writes it. */
export function dateAt(seconds: number): string {
  return new Date(CAME + seconds * 1000).toUTCString();
}

export interface CacheExchangeInit {
  readonly method?: string;
  readonly target?: string;
  readonly host?: string;
  readonly request?: HeadersInit;
  readonly requestBody?: BodyLength;
  readonly status?: number;
  readonly response?: HeadersInit;
  readonly policy?: Partial<CachePolicy>;
}

export function policyOf(policy: Partial<CachePolicy> = {}): CachePolicy {
  return { ...DEFAULT_POLICY, ...policy };
}

export function requestOf({ method, target, host, request, requestBody }: CacheExchangeInit): RequestHead {
  const head = RequestHead.from({
    method: method ?? "GET",
    target: target ?? "/",
    headers: request ?? {},
    body: requestBody ?? "none",
  });
  head.host = host ?? "example.com";
  return head;
}

/** A request and its response, read as a cache reads them. */
export function exchangeOf(init: CacheExchangeInit): Fetched {
  const policy = policyOf(init.policy);
  const request = requestOf(init);
  const fields = requestFieldsOf(request);
  const response = ResponseHead.from({ status: init.status ?? 200, headers: init.response ?? {} });
  const facts = readResponse(response, policy, CAME, CAME);
  const asked = requestDirectives(request, fields, policy);
  return { request, fields, asked, response, facts, lifetime: lifetimeOf(facts, policy) };
}

/** What is stored of the response, whether it may be or not. */
export function metaOf(init: CacheExchangeInit, bodyLength = 10): ResponseMeta {
  const { request, response, facts, lifetime } = exchangeOf(init);
  const key = `https://${request.host}${request.target}`;
  const meta = toMeta(response, facts, lifetime, policyOf(init.policy), {
    key,
    generation: 0,
    bodyLength,
    epoch: 1,
  });
  assert.ok(meta !== null);
  return meta;
}

export function viewOf(init: CacheExchangeInit, bodyLength = 10): MetaView {
  return new MetaView().of(encodeMeta(metaOf(init, bodyLength)));
}
