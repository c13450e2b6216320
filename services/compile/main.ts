// `mnemo compile`: compiles the bundle into Node's compile cache (NODE_COMPILE_CACHE), for an image whose containers start with an empty
// /tmp: they would compile all of it anew at each start.
// Owns nothing. The cache is of one user, one version of Node.js and its flags: bin/mnemo fills it as whoever will run it, for each set of
// flags that it uses.
import { readdirSync } from 'node:fs'
import { getCompileCacheDir } from 'node:module'

const bundle = new URL('../../build/bundle/', import.meta.url)
const executable = 'services-mnemo.js'

/** Imports each of the bundle's modules; what Node.js has compiled it writes at the end of the process. */
export async function main(): Promise<void> {
  const modules = readdirSync(bundle).filter((name) => name !== executable)
  // Workers' modules are compiled too, although they do not run here: they want to be a thread.
  await Promise.allSettled(modules.map((name) => import(new URL(name, bundle).href)))
  console.log(`compiled ${modules.length} modules into ${getCompileCacheDir()}`)
}
