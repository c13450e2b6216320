// What deploy/ and docker-compose.yml tell our services stands as it is: every flag is known and well-formed, every bucket
// configuration is taken, every unit and manifest is well-formed.
// Owns nothing; that it runs is `npm run test:compose`.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { type FlagSpec, parseFlags } from '../../lib/kit/flags.ts'
import { createBucket } from '../../lib/objstore/config.ts'
import { flags as compact } from '../../services/compact/config.ts'
import { flags as query } from '../../services/query/config.ts'
import { flags as sidecar } from '../../services/sidecar/config.ts'
import { flags as store } from '../../services/store/config.ts'

const services: Readonly<Record<string, FlagSpec>> = { compact, query, sidecar, store }
const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(root + file, 'utf8')
const below = (folder: string) => readdirSync(root + folder).map((name) => `${folder}/${name}`)

/** As far as it is read here. */
interface Compose {
  readonly services: Record<string, { readonly image?: string; readonly command?: readonly string[] }>
}

/** Throws where a service does not know its flags. */
function checkCommand([service, ...args]: readonly string[]): void {
  const known = services[service ?? '']
  if (!known) throw new Error(`got service ${service}`)
  parseFlags(service!, '', known, args)
}

describe('Compose', () => {
  const compose = (file: string) => parse(read(file), { merge: true }) as Compose
  const ours = Object.entries(compose('docker-compose.yml').services).filter(([, { command }]) =>
    Object.hasOwn(services, command?.[0] ?? ''),
  )

  test('runs all services', () => {
    const names = ours.map(([name]) => name)
    expect(names).toEqual(['sidecar-a', 'sidecar-b', 'store', 'query', 'compactor', 'compact'])
  })

  test.each(ours)('%s', (_name, { command }) => checkCommand(command!))

  test('a sidecar to add', () => {
    checkCommand(compose('deploy/compose/sidecar.yml').services['mnemo-sidecar']!.command!)
  })

  test('another S3 server replaces the first, and so does the one of tests', () => {
    expect(Object.keys(compose('docker-compose.seaweedfs.yml').services)).toEqual(['s3'])
    expect(Object.keys(compose('docker-compose.yml').services)).toEqual(
      expect.arrayContaining(Object.keys(compose('test/compose/override.yml').services)),
    )
  })

  test('what .env.example names is what the files read', () => {
    const used = `${read('docker-compose.yml')}${read('docker-compose.seaweedfs.yml')}`.matchAll(
      /\$\{(\w+):-([^}]*)\}/g,
    )
    const named = read('.env.example').matchAll(/^# ([A-Z_0-9]+)=/gm)
    const names = (matches: Iterable<RegExpMatchArray>) => [...new Set([...matches].map(([, name]) => name!))].sort()
    expect(names(named)).toEqual(names(used))
  })
})

describe('systemd and cron', () => {
  const units = below('deploy/systemd').filter((file) => file.endsWith('.service'))
  test.each(units)('%s', (file) => {
    const text = read(file).replaceAll('\\\n', ' ')
    const [, command] = /^ExecStart=\/opt\/mnemo\/bin\/mnemo (.*)$/m.exec(text)!
    checkCommand(command!.trim().split(/\s+/))
  })

  test('the crontab line', () => {
    const line = read('deploy/cron/mnemo-compact').trimEnd().split('\n').at(-1)!
    const [, command] = /bin\/mnemo (.*?) \|\|/.exec(line)!
    checkCommand(command!.split(' '))
    expect(line.split(' ').slice(0, 6)).toEqual(['17', '*', '*', '*', '*', 'mnemo'])
  })
})

describe('Kubernetes', () => {
  test.each(below('deploy/kubernetes'))('%s', (file) => {
    const documents = parseAllDocuments(read(file))
    expect(documents.flatMap((document) => ('errors' in document ? document.errors : []))).toEqual([])
    const commands = [...JSON.stringify(documents).matchAll(/"args":(\["(?:sidecar|store|query|compact)".*?\])/g)]
    expect(commands).toHaveLength(1)
    checkCommand(JSON.parse(commands[0]![1]!) as string[])
  })
})

test.each([...below('deploy/s3'), 'deploy/compose/bucket.yml'])('bucket configuration %s', async (file) => {
  const bucket = await createBucket(read(file))
  await bucket.close()
})
