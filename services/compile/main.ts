// `mnemo compile SERVICE…`: compiles the services' part of the bundle into Node's compile cache (NODE_COMPILE_CACHE), for an image whose
// containers start with an empty /tmp: they would compile all of it anew at each start.
// Owns nothing. The cache is of one user, one version of Node.js and its flags: bin/mnemo fills it as whoever will run it, each service's
// with the flags that it gives it.
import { readdirSync } from 'node:fs'
import { getCompileCacheDir } from 'node:module'

const bundle = new URL('../../build/bundle/', import.meta.url)

/** Imports each of the services' modules, as scripts/bundle.mjs names them; what Node.js has compiled it writes at the end of the process. */
export async function main(services: readonly string[]): Promise<void> {
  const isWanted = (name: string) =>
    services.some((service) => name.startsWith(`services-${service}-`) || name.startsWith(`${service}-`))
  const modules = readdirSync(bundle).filter(isWanted)
  // Workers' modules are compiled too, although they do not run here: they want to be a thread.
  await Promise.allSettled(modules.map((name) => import(new URL(name, bundle).href)))
  console.log(`compiled ${modules.length} modules into ${getCompileCacheDir()}`)
}
