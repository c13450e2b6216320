// `mnemo tools bucket verify` as a real process: what it finds, what it repairs, and how it ends.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newUlid, ulidTimeMs } from '../../../lib/blocks/ulid.ts'
import { goldenPath } from '../../support/golden.ts'
import { configOf, tools } from '../../support/tools.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-tools-verify-'))
afterAll(() => fs.rm(root, { recursive: true }))
const bucket = path.join(root, 'bucket')
const backup = path.join(root, 'backup')
/** One raw block and one of 5 minutes, in groups of their own. */
const [raw, downsampled] = ['01M81VCT3QZSCJJ0HE2NX140M7', '01M81VCV2QY4VZMAKGC7N7SG0A']
const config = configOf(bucket)
const verify = (...args: string[]) => tools('bucket', 'verify', config, ...args)
const repair = (...args: string[]) => verify('--repair', configOf(backup, 'objstore-backup'), ...args)
const everything = ['objects', 'index_known_issues', 'chunks', 'overlapped_blocks', 'duplicated_compaction']
const all = everything.map((issue) => `--issues=${issue}`)

beforeAll(async () => {
  for (const ulid of [raw, downsampled])
    await fs.cp(goldenPath('bucket', ulid), path.join(bucket, ulid), { recursive: true })
})

/** Puts the raw block once more, under a later name. */
async function putTwin(directory: string): Promise<string> {
  const twin = newUlid(ulidTimeMs(raw) + 10_000)
  await fs.cp(path.join(directory, raw), path.join(directory, twin), { recursive: true })
  const metaFile = path.join(directory, twin, 'meta.json')
  await fs.writeFile(metaFile, (await fs.readFile(metaFile, 'utf8')).replace(`"ulid": "${raw}"`, `"ulid": "${twin}"`))
  return twin
}

test('sound blocks; then each kind of damage found, and repaired', { timeout: 60_000 }, async () => {
  expect(await verify(...all)).toMatchObject({ status: 0, lines: [] })

  const twin = await putTwin(bucket)
  const segment = path.join(bucket, downsampled, 'chunks', '000001')
  const bytes = await fs.readFile(segment)
  await fs.writeFile(segment, bytes.subarray(0, bytes.length - 50))

  const found = await verify(...all)
  expect(found.status).toBe(1)
  expect(found.lines).toEqual(['mnemo tools bucket verify: the bucket is not as it should be: 4 issues remain'])
  expect(found.output).toMatch(new RegExp(`issue=overlapped_blocks .*${raw} \\[.*${twin} \\[`))
  expect(found.output).toMatch(new RegExp(`issue=duplicated_compaction .*block=${twin} kept=${raw}`))
  expect(found.output).toMatch(new RegExp(`issue=objects block=${downsampled} detail="chunks/000001 has`))
  expect(found.output).toMatch(new RegExp(`issue=chunks block=${downsampled}`))
  expect((await verify('--issues=chunks', `--id=${raw}`)).status).toBe(0)

  const repaired = await repair(...all)
  expect(repaired).toMatchObject({ status: 0, lines: [] })
  expect(repaired.output).toContain('unrepaired=0')
  expect(await verify(...all)).toMatchObject({ status: 0 })
  expect((await fs.readdir(backup)).sort()).toEqual([downsampled, twin, '.mnemo-upload'].sort())
  const blocks = (await fs.readdir(bucket)).filter((name) => !name.startsWith('.'))
  expect(blocks).toHaveLength(2)
  expect(blocks).toContain(raw)
})

test.each([
  ['--repair', 2, 'want --objstore-backup.config'],
  ['--issues=all', 2, 'cannot verify issue all'],
  ['--id=1', 2, 'cannot use --id=1'],
  ['--id=01M81VCT3QZSCJJ0HE2NX140M8', 1, 'no such whole block'],
])('%s: one line, status %d', async (flag, want, text) => {
  const { status, lines } = await verify(flag)
  expect(lines).toEqual([expect.stringContaining(text)])
  expect(status).toBe(want)
})

test('of two the damaged one goes at once where readers keep it, whatever the delay: marked it would stand for the sound one', async () => {
  const directory = path.join(root, 'twins')
  await fs.cp(goldenPath('bucket', raw), path.join(directory, raw), { recursive: true })
  const twin = await putTwin(directory)
  const segment = path.join(directory, raw, 'chunks', '000001')
  await fs.truncate(segment, (await fs.stat(segment)).size - 50)
  const issues = ['objects', 'duplicated_compaction'].map((issue) => `--issues=${issue}`)
  const backupTo = configOf(path.join(root, 'twins-backup'), 'objstore-backup')
  const args = [configOf(directory), '--repair', backupTo, '--delete-delay=48h', ...issues]
  expect(await tools('bucket', 'verify', ...args)).toMatchObject({ status: 0, lines: [] })
  expect((await fs.readdir(directory)).filter((name) => !name.startsWith('.'))).toEqual([twin])
  expect(await fs.readdir(path.join(directory, twin))).not.toContain('deletion-mark.json')
  expect(await fs.readdir(path.join(root, 'twins-backup'))).toContain(raw)
})
