/**
 * What ended a connection, in words. OpenSSL's message names its own functions and source files; what it means stands apart.
 */
export function describeSocketError(error: Error): string {
  return "reason" in error && typeof error.reason === "string" ? error.reason : error.message.trim();
}
