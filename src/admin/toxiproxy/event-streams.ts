import type { Steering } from "../../control/steering.ts";
import type { Upstreams } from "../../control/upstreams.ts";
import type { ApiRequest, ApiResponse } from "../http/api-message.ts";
import { eventStream } from "../http/event-stream.ts";
import { groupEventView } from "../upstreams/views.ts";

/** What there is to hear of. */
export interface EventSources {
  readonly steering: Steering;
  /** Null: there are no groups of servers. */
  readonly upstreams: Pick<Upstreams, "get" | "onEvent"> | null;
}

/**
 * Answers with what happens on proxies and in groups of servers, while it happens: `?proxy=` and `?upstream=` name those to
 * hear of, if not all.
 */
export function openEvents({ steering, upstreams }: EventSources, request: ApiRequest): ApiResponse {
  const proxies = new Set(request.query.getAll("proxy"));
  const groups = new Set(request.query.getAll("upstream"));
  for (const proxy of proxies) steering.get(proxy);
  for (const group of groups) upstreams?.get(group);
  return eventStream((tell) => {
    const stop = new DisposableStack();
    // Threads tell of connections only while somebody listens, so who doesn't want to hear of them doesn't.
    if (proxies.size > 0 || groups.size === 0)
      stop.defer(
        steering.onEvent((event) => {
          if (proxies.size === 0 || proxies.has(event.proxy)) tell(event);
        }),
      );
    if (upstreams !== null && (groups.size > 0 || proxies.size === 0))
      stop.defer(
        upstreams.onEvent((event) => {
          if (groups.size === 0 || groups.has(event.group)) tell(groupEventView(event));
        }),
      );
    return () => stop.dispose();
  });
}
