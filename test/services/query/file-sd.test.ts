// Stores from files: JSON and YAML, by patterns, read again when they change; what is wrong is named.
// Subject: services/query/file-sd.ts and its part in discovery.ts. Owns a folder.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { parseFlags } from '../../../lib/kit/flags.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { checkFlags, flags } from '../../../services/query/config.ts'
import { Discovery } from '../../../services/query/discovery.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mnemo-file-sd-'))
  await writeFile(path.join(folder, 'a.json'), '[{"targets": ["a:1", "b:1"], "labels": {"x": "y"}}]')
  await writeFile(path.join(folder, 'b.yml'), '- targets: [b:1, c:1]\n')
})
afterAll(async () => rm(folder, { recursive: true, force: true }))

const logger = createLogger({ level: 'silent' })

function discover(...args: string[]): Discovery {
  const values = checkFlags(parseFlags('query', '', flags, args))
  return new Discovery({ values, registry: createRegistry(), logger })
}

const addresses = (discovery: Discovery) => discovery.targets.map(({ address }) => address)

test('addresses of all files, each once, beside those of flags', () => {
  const all = [`--store.sd-files=${folder}/*.json`, `--store.sd-files=${folder}/b.yml`, '--endpoint=d:1']
  expect(addresses(discover(...all))).toEqual(['d:1', 'a:1', 'b:1', 'c:1'])
  expect(addresses(discover(`--store.sd-files=${folder}/none*.yml`))).toEqual([])
})

test('a change is seen, also of a file that was not there; one that is wrong leaves what was known', async () => {
  const abort = new AbortController()
  const discovery = discover(`--store.sd-files=${folder}/*.yaml`)
  const told: string[][] = []
  const running = discovery.keepFresh(async (targets) => {
    told.push(targets.map(({ address }) => address))
  }, abort.signal)
  const file = path.join(folder, 'new.yaml')
  await vi.waitFor(async () => {
    await writeFile(file, '[{targets: [e:1]}]')
    expect(told.at(-1)).toEqual(['e:1'])
  }, 5000)
  await writeFile(file, 'no list')
  await writeFile(file, '[{targets: [f:1]}]')
  await vi.waitFor(() => expect(told.at(-1)).toEqual(['f:1']), 5000)
  abort.abort()
  await expect(running).rejects.toMatchObject({ name: 'AbortError' })
})

test.each([
  ['{', 'cannot read'],
  ['5', 'got no list'],
  ['[{labels: {}}]', 'want targets'],
  ['[{targets: [1]}]', 'want targets'],
  ['[{targets: ["http://x"]}]', 'want host:port'],
])('%s ends the start', async (text, want) => {
  const file = path.join(folder, 'wrong.txt')
  await writeFile(file, text)
  expect(() => discover(`--store.sd-files=${file}`)).toThrow(expect.objectContaining({ code: 'config' }))
  try {
    discover(`--store.sd-files=${file}`)
  } catch (error) {
    expect(String(error) + String((error as Error).cause ?? '')).toContain(want)
  }
})
