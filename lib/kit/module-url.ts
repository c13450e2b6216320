// Where the modules are that a thread or a service runs: in a checkout as they stand, else in the bundle that scripts/bundle.mjs makes.
// Owns how the bundle's files are named.

/** All of the bundle's files are in one folder. */
const isBundle = import.meta.url.endsWith('.cjs')

/** Of a module of this project, by its path from the root: `services/store/worker.ts`. The bundle has the executable, each main.ts and worker.ts. */
export function moduleUrl(path: string): URL {
  return isBundle
    ? new URL(`./${path.replaceAll('/', '-').replace(/ts$/, 'cjs')}`, import.meta.url)
    : new URL(`../../${path}`, import.meta.url)
}
