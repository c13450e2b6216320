// `mnemo compile SERVICE…`: compiles the services' part of the bundle into Node's compile cache (NODE_COMPILE_CACHE), for an image whose
// containers start with an empty /tmp: they would compile all of it anew at each start.
// Owns nothing. The cache is of one user, one version of Node.js and its flags: bin/mnemo fills it as whoever will run it, each service's
// with the flags that it gives it.
import { readdirSync } from 'node:fs'
import { createRequire, getCompileCacheDir } from 'node:module'
import { fileURLToPath } from 'node:url'

const bundle = fileURLToPath(new URL('../../build/bundle/', import.meta.url))

/** Loads each of the services' files, as scripts/bundle.mjs names them; what Node.js has compiled it writes at the end of the process. */
export async function main(services: readonly string[]): Promise<void> {
  const require = createRequire(import.meta.url)
  const loadCompiled: (name: string) => unknown = require(`${bundle}load.cjs`)
  const isWanted = (name: string) =>
    services.some((service) => name.startsWith(`services-${service}-`) || name.startsWith(`${service}-`))
  const names = readdirSync(bundle).filter(isWanted)
  for (const name of names) {
    try {
      if (/\.[^.]+\.cjs$/.test(name)) loadCompiled(name)
      else require(bundle + name)
    } catch {
      // Workers' modules are compiled too, although they do not run here: they want to be a thread.
    }
  }
  console.log(`compiled ${names.length} modules into ${getCompileCacheDir()}`)
}
