/*
 * Interim responses go on to the client as they come: nothing holds a server up for a client that doesn't read them, whatever
 * version it speaks. More of them before a final response are a fault or an attack.
 */

export const MAX_INTERIM = 32;
/** Bytes of all their heads, as much as a final one may have. */
export const MAX_INTERIM_BYTES: number = 64 * 1024;
