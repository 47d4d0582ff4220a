// A service that knows hallpass by its address alone: a token on each line of input, the verdict on each of output.
//
// Usage: service.mjs ISSUER AUDIENCE ALGORITHM

import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";

// Debian 12 has Node 18, which has it under this name only.
globalThis.crypto ??= webcrypto;
const { createRemoteJWKSet, errors, jwtVerify } = await import("jose");

const [issuer, audience, algorithm] = process.argv.slice(2);
// For a key that is made by `hallpass key rotate` and signs at once: the usual 30 s between two looks at the key set
// are for keys that are published ahead.
const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", issuer), { cooldownDuration: 2000 });

async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience,
    algorithms: [algorithm],
    typ: "at+jwt",
    requiredClaims: ["sub", "exp", "nbf", "iat", "jti"],
  });
  return payload;
}

for await (const line of createInterface({ input: process.stdin })) {
  let verdict;
  try {
    verdict = { claims: await verify(line.trim()) };
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    verdict = { refused: error.code, detail: `${error.claim ?? ""} ${error.message}` };
  }
  console.log(JSON.stringify(verdict));
}
