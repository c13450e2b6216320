// Prometheus's conformance scripts, where they lie beside the project; our own in the same language always.
// What needs native histograms, start timestamps or the syntax of feature flags is left out by the runner's rules.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { runScript } from '../../support/promqltest.ts'

const folder = fileURLToPath(new URL('../../../../shared/promqltest/', import.meta.url))
const kernels = createKernels()

const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.test')) : []
if (files.length === 0) console.log('conformance scripts: none found beside the project, nothing to run')

for (const file of files) {
  test(file, { timeout: 60_000 }, async () => {
    const outcomes = await runScript(readFileSync(`${folder}${file}`, 'utf8'), kernels)
    const count = (verdict: string) => outcomes.filter((o) => o.verdict === verdict).length
    console.log(`${file}: ${count('passed')} passed, ${count('failed')} failed, ${count('left out')} left out`)
    expect(outcomes.filter((o) => o.verdict === 'failed')).toEqual([])
  })
}

test('no files, no conformance run', { skip: files.length > 0 }, () => {
  expect(files).toEqual([])
})
