// Lets in who knows a password (RFC 7617), and tells servers who it is.
import { createHash, timingSafeEqual } from "node:crypto";
import { defineFilter } from "sluice";

interface Access {
  readonly realm: string;
  /** Passwords by names. */
  readonly users: Readonly<Record<string, string>>;
}

/** What it throws is told with the line of the configuration. */
function readAccess(config: unknown): Access {
  const { realm = "staff", users = {} } = (config ?? {}) as Partial<Access>;
  if (Object.keys(users).length === 0) throw new Error("nobody could come in: users is empty");
  return { realm, users };
}

export default defineFilter(readAccess, ({ realm, users }) => {
  const known = new Map(Object.entries(users).map(([name, password]) => [name, digestOf(password)]));
  const challenge = { "WWW-Authenticate": `Basic realm="${realm}", charset="UTF-8"` };
  return {
    requestFilter(session) {
      const { headers } = session.request;
      const name = userOf(headers.get("authorization"), known);
      // What is answered here goes no further: neither to filters behind this one nor to a server.
      if (name === null) session.respond({ status: 401, headers: challenge, body: "Who are you?\n" });
      else headers.set("X-User", name);
    },

    upstreamRequestFilter(_session, request) {
      request.headers.delete("Authorization");
    },
  };
});

function userOf(credentials: string | null, known: ReadonlyMap<string, Buffer>): string | null {
  const [, encoded = ""] = /^Basic (.+)$/i.exec(credentials ?? "") ?? [];
  const [, name = "", password = ""] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, "base64").toString()) ?? [];
  const digest = known.get(name);
  return digest !== undefined && timingSafeEqual(digest, digestOf(password)) ? name : null;
}

function digestOf(password: string): Buffer {
  return createHash("sha256").update(password).digest();
}
