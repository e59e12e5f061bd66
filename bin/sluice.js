#!/usr/bin/env node
// The oldest syntax that still works, so that an old Node gets this far and can say what is missing.
// Everything modern stands in start.js, which an old Node never reads.
var needed = 26;
var major = parseInt(process.versions.node, 10);

if (major < needed) {
  process.stderr.write(
    "sluice: needs Node.js " +
      needed +
      " or newer, this is " +
      process.version +
      " (" +
      process.execPath +
      "); get it from https://nodejs.org, or in a checkout run `npm install` and then `npm start -- ...`\n",
  );
  process.exitCode = 2;
} else {
  import("./start.js");
}
