// The executable: `mnemo <service> [<flags>]` loads the service and hands it the arguments.
// Each service's module exports main(argv); only the one that is asked for is loaded.
// Owns the list of services; flags are the services' own.
import { createRequire, enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { moduleUrl } from '../lib/kit/module-url.ts'
import { version } from '../lib/kit/version.ts'

const load = createRequire(import.meta.url)

interface ServiceModule {
  main(argv: string[]): Promise<void>
}

const services: Readonly<Record<string, string>> = {
  sidecar: 'beside a Prometheus: ships its blocks to the bucket, serves its fresh data over StoreAPI',
  store: "serves the bucket's blocks over StoreAPI",
  query: "Prometheus's HTTP API and page over StoreAPIs: fans out, deduplicates replicas, runs PromQL",
  compact: "merges, deduplicates and downsamples the bucket's blocks, deletes what retention says",
  tools: "a person's tools over a bucket",
  cluster: 'a whole small cluster on this machine, to try it out',
}

/** The file's cache is written at exit; a process that is killed would leave none, so it is written after the start too. */
const flushAfterMs = 5_000

async function main([name, ...argv]: string[]): Promise<void> {
  if (name === '--version' || name === 'version') {
    console.log(`mnemo ${version} (Node.js ${process.version}, ${process.platform}-${process.arch})`)
    return
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    console.log(usage())
    return
  }
  if (name === undefined) {
    console.error(usage())
    process.exitCode = 2
    return
  }
  enableCompileCache()
  // Of nobody's concern but an image's.
  if (name !== 'compile' && !Object.hasOwn(services, name)) {
    console.error(`mnemo: got unknown service "${name}", want one of ${Object.keys(services).join(', ')}`)
    process.exitCode = 2
    return
  }
  setTimeout(flushCompileCache, flushAfterMs).unref()
  const service: ServiceModule = load(fileURLToPath(moduleUrl(`services/${name}/main.ts`)))
  await service.main(argv)
}

function usage(): string {
  const lines = Object.entries(services).map(([name, summary]) => `  ${name.padEnd(10)}${summary}`)
  return [
    'usage: mnemo <service> [<flags>]',
    '',
    'Long-term, highly available storage for Prometheus.',
    '',
    ...lines,
    '',
    '`mnemo <service> --help` lists the flags of a service.',
  ].join('\n')
}

void main(process.argv.slice(2))
