// `mnemo compile`: compiles every module into Node's compile cache (NODE_COMPILE_CACHE), for an image whose containers start with an empty
// /tmp: they would read all TypeScript anew at each start, by a compiler of 20 MiB.
// Owns nothing. The cache is of one user, one version of Node.js and its flags: it is filled by `mnemo` itself, as whoever will run it.
import { readdirSync } from 'node:fs'
import { getCompileCacheDir } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Imports everything below lib and services; what Node.js has compiled it writes at the end of the process. */
export async function main(): Promise<void> {
  const modules = ['../../lib/', '../'].flatMap((folder) =>
    modulesBelow(fileURLToPath(new URL(folder, import.meta.url))),
  )
  // Workers' modules are compiled too, although they do not run here: they want to be a thread.
  await Promise.allSettled(modules.map((file) => import(pathToFileURL(file).href)))
  console.log(`compiled ${modules.length} modules into ${getCompileCacheDir()}`)
}

function modulesBelow(folder: string): string[] {
  const isModule = (name: string) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.includes('assembly/')
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(isModule)
  return names.filter((name) => name !== executable).map((name) => folder + name)
}

const executable = 'mnemo.ts'
