// Gives requests a number, and responses the fields that browsers want for safety.
import { randomUUID } from "node:crypto";
import { defineFilter } from "sluice";

export default defineFilter({
  // Before a route is chosen, and before limits count.
  earlyRequestFilter({ request }) {
    if (!request.headers.has("x-request-id")) request.headers.set("X-Request-Id", randomUUID());
  },

  responseFilter({ request }, { headers }) {
    headers.set("X-Request-Id", request.headers.get("x-request-id") ?? "");
    headers.set("X-Content-Type-Options", "nosniff");
    headers.delete("X-Powered-By");
  },
});
