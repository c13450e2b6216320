// The version that this checkout or package is, from package.json.
// Read once at import; package.json stands two folders up in a checkout and in a packed tarball alike.
// Owns nothing else.
import { readFileSync } from 'node:fs'

/** Semantic version, without a leading v. */
export const version: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
