/** Tells a process that it takes another one's place: see `control/upgrade`. */
const IS_SUCCESSOR = "SLUICE_SUCCESSION" in process.env;

/**
 * Starts this command in the background, if that is wanted and hasn't been done; sets the exit code when that is known.
 * Resolves with true when everything else is done there.
 */
export async function goToBackground(isWanted: boolean): Promise<boolean> {
  // Whoever takes the place of a process in the background is there already.
  if (!isWanted || IS_SUCCESSOR) return false;
  const { isInBackground, startInBackground } = await import("../control/daemon/background.ts");
  if (isInBackground) return false;
  process.exitCode = await startInBackground([...process.execArgv, ...process.argv.slice(1)]);
  return true;
}
