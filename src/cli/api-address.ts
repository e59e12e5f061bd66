import { type Address, parseAddress } from "../net/address.ts";

/** The usual port of Toxiproxy's API, where its clients look for it. */
const USUAL = "127.0.0.1:8474";

/**
 * Where the admin API is to listen, however that is written.
 * @param address true for the usual one. A bare port is one on the loopback interface
 * @throws TypeError when it is no address
 */
export function apiAddress(address: string | true): Address {
  const text = address === true ? USUAL : address;
  return parseAddress(/^\d+$/.test(text) ? `127.0.0.1:${text}` : text);
}
