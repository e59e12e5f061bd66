import { domainToASCII } from "node:url";
import type * as z from "zod";
import type { CertificateSource } from "../../net/tls/certificate-files.ts";
import type {
  ClientCertificateFiles,
  TlsListenerSettings,
  TlsPassthrough,
} from "../../net/tls/listener-settings.ts";
import { toServerPattern } from "../../net/tls/server-name.ts";
import { refuse } from "../scenario-toxic.ts";
import { serverListKeys, serversOf } from "./server-list.ts";
import { tlsParameterKeys, toTlsParameters } from "./tls-parameters.ts";
import { duration } from "./units.ts";
import { choice, filePath, integer, list, oneOrMore, parsedBy, section, text } from "./values.ts";

const NAME_EXPECTED = "a host name, or one whose first label is *";
const MOST = 2 ** 31 - 1;

/** Of a session, by RFC 8446 §4.6.1. */
const LONGEST_SESSION = 7 * 24 * 3_600_000;

const serverPattern: z.ZodType<string> = parsedBy(text(NAME_EXPECTED), NAME_EXPECTED, (name) => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all that is ASCII
  return toServerPattern(/^[\x00-\x7f]*$/.test(name) ? name : domainToASCII(name)) ?? undefined;
});

const certificateKeys = {
  cert: filePath().describe(
    "A PEM file: the certificate, then those that signed it, each after the one it signed.",
  ),
  key: filePath()
    .optional()
    .describe("A PEM file with the private key. Default: it stands in the file of the certificate."),
  passphrase: text("a text")
    .optional()
    .describe("What the key is encrypted with; better an environment variable than the word itself."),
  ocsp: filePath()
    .optional()
    .describe("A file with an OCSP response, DER, which clients get with the certificate."),
};

const certificate: z.ZodType<CertificateSource> = section(
  "TlsCertificate",
  "A certificate with its key. Files are read again when they change; relative paths start at the folder of the configuration.",
  {
    ...certificateKeys,
    names: oneOrMore(serverPattern, NAME_EXPECTED)
      .optional()
      .describe("Host names, or wildcards like `*.example.com`, to use it for. Default: those that it has."),
  },
).transform(({ names, ...files }) => ({ ...toSource(files), ...(names === undefined ? {} : { names }) }));

interface CertificateDocument {
  readonly cert: string;
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
  readonly ocsp?: string | undefined;
}

function toSource({ cert, key = cert, passphrase, ocsp }: CertificateDocument): CertificateSource {
  return {
    ...{ cert, key },
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(ocsp === undefined ? {} : { ocsp }),
  };
}

const clientCertificates: z.ZodType<ClientCertificateFiles> = section(
  "TlsClientCertificates",
  "Which clients must show who they are.",
  {
    mode: choice(["required", "optional"])
      .default("required")
      .describe("`optional`: a client may show no certificate, but what it shows must be good."),
    ca: oneOrMore(filePath(), "a file").describe(
      "PEM files with the certificates that may have signed a client's.",
    ),
    crl: oneOrMore(filePath(), "a file")
      .optional()
      .describe(
        "PEM files with lists of revoked certificates. With any, there must be a current one of every authority in a client's chain.",
      ),
  },
).transform(({ crl = [], ...rest }) => ({ ...rest, crl }));

const passthrough: z.ZodType<TlsPassthrough> = section(
  "TlsPassthrough",
  "Connections that are passed on unopened, by the name that the client asks for (SNI).",
  {
    names: oneOrMore(serverPattern, NAME_EXPECTED).describe("Host names, or wildcards like `*.example.com`."),
    ...serverListKeys,
  },
).transform((document, context) => ({ names: document.names, upstreams: serversOf(document, context) }));

const commonKeys = {
  cert: certificateKeys.cert.optional(),
  key: certificateKeys.key,
  passphrase: certificateKeys.passphrase,
  ocsp: certificateKeys.ocsp,
  certificates: list(certificate, "a list of certificates")
    .optional()
    .describe(
      "Certificates, each used for its names; the first one is for clients that ask for no name. Several types of key for the same name are fine. In place of `cert`.",
    ),
  ...tlsParameterKeys,
  client_certificates: clientCertificates
    .optional()
    .describe("Which clients must show who they are. Default: none is asked."),
  unknown_names: choice(["default", "refuse"])
    .default("default")
    .describe(
      "What becomes of clients that ask for a name that no certificate is for: they get the first certificate, or are refused.",
    ),
  session_timeout: duration
    .refine((time) => time <= LONGEST_SESSION, { error: "at most 168h" })
    .prefault("2h")
    .describe("For how long a client may take up a session again. 0: never."),
  ticket_rotation: duration
    .prefault("12h")
    .describe(
      "After how long session tickets get a new key; those of the two keys before it still count. 0: never.",
    ),
  handshake_timeout: duration
    .prefault("10s")
    .describe("From the connection to the end of the handshake. 0: no limit."),
  max_handshakes: integer(0, MOST)
    .default(1_000)
    .describe("Handshakes under way at once, in each thread; others wait for their turn. 0: no limit."),
  passthrough: list(passthrough, "a list of names with servers")
    .optional()
    .describe("Connections that are passed on unopened, by the name that the client asks for."),
};

const DESCRIPTION =
  "TLS towards clients. `cert` and `key` are enough; several certificates stand under `certificates`.";

/** TLS of a listener whose requests are looked into. */
export const httpTls: z.ZodType<TlsListenerSettings> = section("Tls", DESCRIPTION, {
  ...commonKeys,
  plain_http: choice(["redirect", "refuse"])
    .default("redirect")
    .describe("What those get who speak HTTP without TLS: a redirect to https, or 400."),
}).transform((document, context) => ({ ...toSettings(document, context), plainHttp: document.plain_http }));

/** Bytes of a protocol's name (RFC 7301 §3.1). */
const LONGEST_PROTOCOL = 255;
const PROTOCOL_EXPECTED = "the name of a protocol";

/** TLS of a listener whose connections are relayed. */
export const streamTls: z.ZodType<TlsListenerSettings> = section("TcpTls", DESCRIPTION, {
  ...commonKeys,
  alpn: oneOrMore(
    text(PROTOCOL_EXPECTED).max(LONGEST_PROTOCOL, { error: PROTOCOL_EXPECTED }),
    PROTOCOL_EXPECTED,
  )
    .optional()
    .describe(
      "Protocols to agree on by ALPN, the best first; clients that offer others only are refused. Default: none is spoken of.",
    ),
}).transform((document, context) => {
  const { alpn } = document;
  const settings = { ...toSettings(document, context), plainHttp: "refuse" as const };
  return alpn === undefined ? settings : { ...settings, alpn };
});

type TlsDocument = z.output<ReturnType<typeof section<typeof commonKeys>>>;
type Context = z.core.$RefinementCtx<unknown>;

function toSettings(document: TlsDocument, context: Context): Omit<TlsListenerSettings, "plainHttp"> {
  return {
    certificates: certificatesOf(document, context),
    ...toTlsParameters(document, context),
    refusesUnknownNames: document.unknown_names === "refuse",
    clientCertificates: document.client_certificates ?? null,
    sessionTimeout: document.session_timeout,
    ticketRotation: document.ticket_rotation,
    handshakeTimeout: document.handshake_timeout,
    handshakes: document.max_handshakes,
    passthrough: document.passthrough ?? [],
  };
}

function certificatesOf(document: TlsDocument, context: Context): readonly CertificateSource[] {
  const { cert, key, passphrase, ocsp, certificates, passthrough: passed = [] } = document;
  const other = Object.entries({ cert, key, passphrase, ocsp }).find(([, value]) => value !== undefined);
  if (certificates !== undefined) {
    if (other !== undefined) exclude(other[0], context);
    return certificates;
  }
  if (cert !== undefined) return [toSource({ cert, key, passphrase, ocsp })];
  // Whoever only passes connections on needs none.
  if (other !== undefined || passed.length === 0)
    refuse(context, ["cert"], "cert and key, or certificates", { reason: "there is no certificate" });
  return [];
}

function exclude(key: string, context: Context): void {
  const reason = `${key} and certificates exclude each other`;
  refuse(context, [key], "one of them", { reason, atKey: true });
}
