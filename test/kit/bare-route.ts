import type { RouteSettings } from "../../src/filters/settings.ts";

/** What a route is that says nothing but where its requests go. */
export const BARE_ROUTE: Omit<RouteSettings, "name" | "action"> = {
  match: null,
  response: null,
  faults: [],
  limits: [],
  plugins: [],
  filters: [],
  compress: null,
  decompress: null,
  cache: null,
  grpcTimeout: 0,
};
