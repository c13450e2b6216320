// bin/mnemo runs the bundle, and the sources where one of them is newer; the bundle has each module that a thread or a process runs.
// Subject: bin/mnemo and scripts/bundle.mjs, in folders that look like a checkout, and like an image.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client, credentials } from '@grpc/grpc-js'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { TestProcess } from '../support/process.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(path.join(tmpdir(), 'mnemo-bundle-'))
const sources = ['package-lock.json', 'build/proto.js', 'lib/kit/http.ts', 'services/mnemo.ts']

const at = (name: string) => path.join(folder, name)

function write(name: string, text: string): void {
  mkdirSync(path.dirname(at(name)), { recursive: true })
  writeFileSync(at(name), text)
}

/** As a fresh clone is after its bundle was made. */
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  for (const name of sources) write(name, "console.log('sources')")
  write('package.json', '{"type": "module"}')
  cpSync(`${project}bin`, at('bin'), { recursive: true })
  symlinkSync(`${project}node_modules`, at('node_modules'))
  write('build/bundle/services-mnemo.cjs', "console.log('bundle')")
  age('.', 100)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (!name.startsWith('node_modules')) age(name, 100)
  age('build/bundle/services-mnemo.cjs', 50)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function age(name: string, seconds: number): void {
  const time = Date.now() / 1000 - seconds
  utimesSync(at(name), time, time)
}

function run(): string {
  const { stdout, stderr } = spawnSync(at('bin/mnemo'), ['store'], { encoding: 'utf8' })
  return stdout.trim() + stderr
}

test('the bundle runs while nothing is newer', () => {
  expect(run()).toBe('bundle')
})

test.each(sources)('the sources run once %s is newer', (name) => {
  age(name, 10)
  expect(run()).toBe('sources')
})

test('the sources run once a file has come or gone', () => {
  rmSync(at('lib/kit/http.ts'))
  expect(run()).toBe('sources')
})

test('an image has no sources', () => {
  for (const name of ['lib', 'services', 'package-lock.json']) rmSync(at(name), { recursive: true })
  expect(run()).toBe('bundle')
})

test.each(['main', 'worker'])(
  "the bundle has the executable and each service's %s.ts, as lib/kit/module-url.ts names them",
  (module) => {
    const services = readdirSync(`${project}services`).filter((name) =>
      existsSync(`${project}services/${name}/${module}.ts`),
    )
    expect(services.length).toBeGreaterThan(2)
    const names = ['services-mnemo.cjs', ...services.map((name) => `services-${name}-${module}.cjs`)]
    expect(readdirSync(`${project}build/bundle`)).toEqual(expect.arrayContaining(names))
  },
)

test('the texts of the bundle take a byte a character in memory', () => {
  const bundle = `${project}build/bundle`
  // Beyond Latin-1 all of a text takes two. Other files may be an earlier bundle's.
  const entries = readdirSync(bundle).filter((name) => name.startsWith('services-'))
  const wide = entries.filter((name) => /[^\0-\xff]/.test(readFileSync(`${bundle}/${name}`, 'utf8')))
  expect(wide).toEqual([])
})

test('packages that read files of their own find them: gRPC reflection of the process lists what it serves', async () => {
  const args = ['query', '--http-address=127.0.0.1:0', '--grpc-address=127.0.0.1:0']
  const querier = await TestProcess.start({ command: `${project}bin/mnemo`, args })
  try {
    const [, address] = await querier.waitForOutput(/serving gRPC" address=(\S+)/)
    const client = new Client(address!, credentials.createInsecure())
    const method = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
    const same = (bytes: Buffer) => bytes
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(method, same, same)
    // list_services, field 7, of all
    call.end(Buffer.from([0x3a, 1, 0x2a]))
    const [answer] = await Array.fromAsync(call as AsyncIterable<Buffer>)
    expect(answer?.toString('latin1')).toContain('thanos.Query')
    client.close()
  } finally {
    await querier.stop()
  }
})
