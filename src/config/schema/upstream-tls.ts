import { isIP } from "node:net";
import * as z from "zod";
import { parseConnectProxy } from "../../upstream/connect-proxy.ts";
import type { PeerTlsOptions } from "../../upstream/peer-tls.ts";
import { refuse } from "../scenario-toxic.ts";
import { tlsParameterKeys, toTlsParameters } from "./tls-parameters.ts";
import { filePath, flag, oneOf, oneOrMore, parsedBy, section, text } from "./values.ts";

/** TLS towards servers, whose files are not read yet. */
export interface UpstreamTlsDraft {
  readonly options: Omit<PeerTlsOptions, "ca" | "identity">;
  readonly ca: readonly string[];
  readonly identity: {
    readonly cert: string;
    readonly key: string;
    readonly passphrase: string | undefined;
  } | null;
}

const NAME_EXPECTED = 'a host name, or ""';

/** A name as the handshake can ask for it, or none. Addresses can't be asked for. */
const serverName: z.ZodType<string> = parsedBy(z.string({ error: NAME_EXPECTED }), NAME_EXPECTED, (name) => {
  if (isIP(name) !== 0) throw new RangeError("only names can be asked for, and this is an address");
  return /^[\w.-]*$/.test(name) ? name : undefined;
});

const settings = section(
  "UpstreamTls",
  "TLS towards servers. With nothing said, a server's certificate has to be signed by a well-known authority and be for the server's host.",
  {
    sni: serverName
      .optional()
      .describe(
        'The name to ask for, which the certificate must be for. Default: the server\'s host, if that is a name, or for servers found by DNS the name that was looked up. `""`: none is asked for; the certificate is verified all the same, by that host or `alternative_cn`.',
      ),
    ca: oneOrMore(filePath(), "a file")
      .optional()
      .describe(
        "PEM files with the certificates that may have signed the servers'. Default: the well-known authorities that come with Node.js.",
      ),
    cert: filePath()
      .optional()
      .describe(
        "A PEM file with our certificate and its chain, for servers that ask who we are. Read again when it changes.",
      ),
    key: filePath()
      .optional()
      .describe("A PEM file with its private key. Default: it stands in the file of the certificate."),
    passphrase: text("a text")
      .optional()
      .describe("What the key is encrypted with; better an environment variable than the word itself."),
    verify_cert: flag()
      .default(true)
      .describe(
        "`false`: any certificate will do, and no name is looked at. Whoever is in between can read along.",
      ),
    verify_hostname: flag()
      .default(true)
      .describe("`false`: a certificate of a trusted authority will do, whoever it is for."),
    alternative_cn: text("a host name or an address")
      .optional()
      .describe("Another name or address that the certificate may be for, besides the one asked for."),
    ...tlsParameterKeys,
  },
).transform((document, context): UpstreamTlsDraft => {
  const { cert, key, passphrase } = document;
  const stray =
    cert === undefined ? Object.entries({ key, passphrase }).find(([, value]) => value) : undefined;
  if (stray !== undefined)
    refuse(context, [stray[0]], "cert beside it", {
      reason: `${stray[0]} is nothing without cert`,
      atKey: true,
    });
  return {
    options: { ...toIdentity(document), ...toTlsParameters(document, context) },
    ca: document.ca ?? [],
    identity: cert === undefined ? null : { cert, key: key ?? cert, passphrase },
  };
});

interface IdentityDocument {
  readonly sni?: string | undefined;
  readonly verify_cert: boolean;
  readonly verify_hostname: boolean;
  readonly alternative_cn?: string | undefined;
}

function toIdentity({ sni, verify_cert, verify_hostname, alternative_cn }: IdentityDocument) {
  return {
    ...(sni === undefined ? {} : { sni }),
    ...(verify_cert ? {} : { verifyCertificate: false }),
    ...(verify_hostname ? {} : { verifyHostname: false }),
    ...(alternative_cn === undefined ? {} : { alternativeName: alternative_cn }),
  } satisfies PeerTlsOptions;
}

const DEFAULTS: UpstreamTlsDraft = { options: {}, ca: [], identity: null };

/** `true` is all that most servers need; null: none. */
export const upstreamTls: z.ZodType<UpstreamTlsDraft | null> = oneOf("true, false, or a map", [
  flag().transform((isOn) => (isOn ? DEFAULTS : null)),
  settings,
]);

/** Of servers whose addresses say https. */
export const DEFAULT_UPSTREAM_TLS: UpstreamTlsDraft = DEFAULTS;

const PROXY_EXPECTED = "http://host:port, or http://user:password@host:port";

/** A proxy to connect through; as it is written, once it is known to be one. */
export const connectProxy: z.ZodType<string> = parsedBy(text(PROXY_EXPECTED), PROXY_EXPECTED, (url) => {
  try {
    parseConnectProxy(url);
  } catch (error) {
    // A reason of its own, for the text may hold a password.
    throw new RangeError((error as Error).message.replace(/: expected .*/, ""));
  }
  return url;
});
