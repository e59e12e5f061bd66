import type { ApiRequest, ApiResponse } from "./api-message.ts";

/** What stands for `{…}` in a route's pattern, in order. */
export type PathParts = readonly string[];

export type RouteHandler = (request: ApiRequest, parts: PathParts) => Promise<ApiResponse> | ApiResponse;

/** What a path and method lead to: a handler, a path that has other methods, or nothing. */
export type RouteMatch =
  | { readonly kind: "handler"; readonly handle: RouteHandler; readonly parts: PathParts }
  | { readonly kind: "other-methods" }
  | { readonly kind: "nothing" };

interface Route {
  readonly pattern: RegExp;
  /** Null for any. */
  readonly methods: readonly string[] | null;
  readonly handle: RouteHandler;
}

const NOTHING: RouteMatch = { kind: "nothing" };
const OTHER_METHODS: RouteMatch = { kind: "other-methods" };

/** Finds the handler of a request by its path and method. */
export class Router {
  readonly #routes: Route[] = [];

  /**
   * @param methods separated by spaces; `*` for any
   * @param path with `{…}` for a part of one character or more that has no slash: `/proxies/{proxy}`; and with `{…*}` for
   * one that may have some, as few as do
   */
  add(methods: string, path: string, handle: RouteHandler): void {
    const parts = path.replace(/\{\w+\}/g, "([^/]+)").replace(/\{\w+\*\}/g, "(.+?)");
    const pattern = new RegExp(`^${parts}$`, "su");
    this.#routes.push({ pattern, methods: methods === "*" ? null : methods.split(" "), handle });
  }

  find(method: string, path: string): RouteMatch {
    let isPathKnown = false;
    for (const { pattern, methods, handle } of this.#routes) {
      const match = pattern.exec(path);
      if (match === null) continue;
      if (methods === null || methods.includes(method))
        return { kind: "handler", handle, parts: match.slice(1) };
      isPathKnown = true;
    }
    return isPathKnown ? OTHER_METHODS : NOTHING;
  }
}
