import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { domainToASCII } from "node:url";

/** How a client sees to it that a server is the right one. */
export interface IdentitySettings {
  /** The host that the server is known by: the one that was looked up, where an address was found so. Default: the address's host. */
  readonly host?: string;
  /**
   * The name to ask for in the handshake. Absent: the server's host, if that is a name. "": none is asked for; that changes
   * nothing about what is verified.
   */
  readonly sni?: string;
  /** False: any certificate will do, and no name is looked at either. Default true. */
  readonly verifyCertificate?: boolean;
  /** False: a certificate of trusted signers will do, whoever it is for. Default true. */
  readonly verifyHostname?: boolean;
  /** Another name that the certificate may be for, besides the one asked for. */
  readonly alternativeName?: string;
}

/** What a server must be, worked out for one address. */
export interface ExpectedIdentity {
  /** What is asked for in the handshake; "" nothing. */
  readonly sni: string;
  /** The certificate must be for one of these; null: names aren't looked at. */
  readonly names: readonly string[] | null;
}

/**
 * Who a server at `host` must be. The certificate has to be for the name that was asked for or, where none was (`sni: ""`, or an
 * IP address), for the server's host, or else for the alternative name.
 * @param addressHost that of the address, "" on a Unix socket
 * @throws RangeError when names are to be verified, and there is none, or what is to be asked for isn't one
 */
export function expectIdentity(settings: IdentitySettings, addressHost: string): ExpectedIdentity {
  const { host = addressHost } = settings;
  const { verifyCertificate = true, verifyHostname = true, alternativeName = "" } = settings;
  const sni = toAskedName(settings.sni ?? (isIP(host) === 0 ? host : ""));
  if (isIP(sni) !== 0) throw new RangeError(`"${sni}" is an address, and only names can be asked for`);
  if (!verifyCertificate || !verifyHostname) return { sni, names: null };
  const names = [sni === "" ? host : sni, alternativeName].filter((name) => name !== "");
  if (names.length > 0) return { sni, names };
  throw new RangeError(
    "there is no name to verify the server's certificate by: give an alternative name, or switch the verification of names off",
  );
}

/** A name as TLS writes it: in ASCII and without the dot at its end, which servers may refuse (RFC 6066 §3). */
function toAskedName(name: string): string {
  const ascii = /[^ -~]/.test(name) ? domainToASCII(name) : name;
  const asked = ascii.endsWith(".") ? ascii.slice(0, -1) : ascii;
  // What is none must not come to mean that no name is asked for: another one would be verified.
  if (asked === "" && name !== "") throw new RangeError(`"${name}" is no name that can be asked for`);
  return asked;
}

/** What is wrong with a certificate's names, undefined if nothing is. For node:tls. */
export function checkNames(names: readonly string[] | null, certificate: PeerCertificate): Error | undefined {
  let problem: Error | undefined;
  for (const name of names ?? []) {
    const found = checkServerIdentity(name, certificate);
    if (found === undefined) return undefined;
    problem ??= found;
  }
  return problem;
}
