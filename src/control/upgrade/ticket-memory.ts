import { TICKET_KEY_LENGTH } from "../../net/tls/ticket-keys.ts";
import type { TicketHeritage } from "../../net/tls/tls-keeper.ts";

/** Ticket keys by the owners of listeners' TLS; times in milliseconds from now. */
export type TicketMemory = Readonly<
  Record<string, { readonly keys: readonly string[]; readonly rotatesIn: number | null }>
>;

/** As JSON has it. @param now by the clock of `rotatesAt` */
export function toTicketMemory(tickets: ReadonlyMap<string, TicketHeritage>, now: number): TicketMemory {
  return Object.fromEntries(
    [...tickets].map(([owner, { ticketKeys, rotatesAt }]) => {
      const keys = ticketKeys.map((key) => Buffer.from(key).toString("base64"));
      return [owner, { keys, rotatesIn: rotatesAt === null ? null : Math.max(rotatesAt - now, 0) }];
    }),
  );
}

/** What can be read of it: whoever wrote it may have been of another version. */
export function fromTicketMemory(memory: unknown, now: number): Map<string, TicketHeritage> {
  if (typeof memory !== "object" || memory === null) return new Map();
  const tickets = new Map<string, TicketHeritage>();
  for (const [owner, entry] of Object.entries(memory as Partial<TicketMemory>)) {
    const ticketKeys = (Array.isArray(entry?.keys) ? entry.keys : []).map((key) =>
      Buffer.from(String(key), "base64"),
    );
    if (ticketKeys.length === 0 || ticketKeys.some(({ length }) => length !== TICKET_KEY_LENGTH)) continue;
    const rotatesIn = entry?.rotatesIn;
    tickets.set(owner, { ticketKeys, rotatesAt: typeof rotatesIn === "number" ? now + rotatesIn : null });
  }
  return tickets;
}
