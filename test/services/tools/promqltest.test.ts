// `mnemo tools promqltest` as a person runs it: lines, counts and exit status.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { TestProcess } from '../../support/process.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-tools-'))
afterAll(() => fs.rm(root, { recursive: true }))
const executable = fileURLToPath(new URL('../../../services/mnemo.ts', import.meta.url))

async function run(script: string): Promise<{ status: unknown; lines: string[]; file: string }> {
  const file = path.join(root, 'script.test')
  await fs.writeFile(file, script)
  const args = [executable, 'tools', 'promqltest', file]
  const started = await TestProcess.start({ command: process.execPath, args })
  const status = await started.waitForExit()
  return { status, lines: started.output.split('\n').filter((line) => line !== ''), file }
}

test('all pass: the count alone, status 0', async () => {
  const script = 'load 1m\n  a{b="c"} 1+1x300 stale\n\neval instant at 5m sum(a)\n  {} 6\n\neval instant at 301m a\n'
  expect(await run(script)).toMatchObject({ status: 0, lines: ['2 passed, 0 failed'] })
})

test('a line for each that fails, by its place in the file; status 1', async () => {
  const script =
    'load 1m\n  a 1x5\n\neval instant at 0 a\n  a 2\n\n# said\neval range from 0 to 2m step 1m a\n  a 1 1 1\n'
  const { status, lines, file } = await run(script)
  expect(status).toBe(1)
  expect(lines).toEqual([`${file}:4: a: got {__name__="a"} = 1, want 2`, '1 passed, 1 failed'])
})

test('an instant query that differs as a range query fails', async () => {
  const script = 'load 1m\n  a 1x5\n\neval instant at 1m count_over_time(a[1m:30s]) + 0 * time()\n  {} 2\n'
  expect(await run(script)).toMatchObject({ status: 0 })
})

test('a script that is none: one line that names it, status 2', async () => {
  const { status, lines, file } = await run('loda 1m\n')
  expect(status).toBe(2)
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain(`cannot run ${file}: line 1: got unknown command "loda 1m", want load, clear or eval`)
})
