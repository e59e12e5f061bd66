import type * as z from "zod";
import type { StickySettings } from "../../filters/settings.ts";
import { refuse } from "../scenario-toxic.ts";
import { cookieName } from "./key.ts";
import { sentPath } from "./paths.ts";
import { duration } from "./units.ts";
import { choice, flag, off, oneOf, parsedBy, section, text } from "./values.ts";

const LEAST_SECRET = 16;
const SECRET_EXPECTED = `a text of at least ${LEAST_SECRET} characters, for example what openssl rand -hex 32 prints`;
const SAME_SITE_EXPECTED = "strict, lax, none or off";

const secret: z.ZodType<string> = parsedBy(text(SECRET_EXPECTED), SECRET_EXPECTED, (value) => {
  // What was found is nobody's business.
  if (value.length < LEAST_SECRET) throw new RangeError("the secret is too short");
  return value;
});

/** Clients that stay with their server. */
export const sticky: z.ZodType<StickySettings> = section(
  "Sticky",
  "Clients stay with the server that they got first, by a signed cookie, for as long as that one is available.",
  {
    cookie: cookieName.default("sluice_server").describe("The cookie's name."),
    secret: secret.describe(
      "What the cookie is signed with; the same in all processes that share the clients. Best a variable: `$" +
        "{STICKY_SECRET}`.",
    ),
    max_age: duration.optional().describe("How long browsers keep it. Default: until they are closed."),
    path: sentPath.prefault("/").describe("The paths it is sent for."),
    secure: flag()
      .default(false)
      .describe("Only over HTTPS. Say so if something before this proxy speaks TLS."),
    same_site: oneOf(SAME_SITE_EXPECTED, [choice(["strict", "lax", "none"]), off()])
      .prefault("lax")
      .describe("Whether it is sent with requests that come from other sites; `off` for no such attribute."),
  },
).transform((document, context): StickySettings => {
  const { cookie, secret: key, max_age, path, secure, same_site: sameSite } = document;
  if (sameSite === "none" && !secure)
    refuse(context, ["same_site"], "secure: true beside it", {
      reason: "browsers refuse such cookies without secure",
    });
  const maxAge = max_age === undefined ? null : Math.round(max_age / 1000);
  return { cookie, secret: key, maxAge, path, secure, sameSite };
});
