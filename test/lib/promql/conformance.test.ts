// Prometheus's conformance scripts, where they lie beside the project; our own in the same language always.
// What needs native histograms, start timestamps or the syntax of feature flags is left out by the runner's rules.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { runScript } from '../../support/promqltest.ts'

const shared = fileURLToPath(new URL('../../../../shared/promqltest/', import.meta.url))
const own = fileURLToPath(new URL('scripts/', import.meta.url))
const kernels = createKernels()

function scripts(folder: string, suffix: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(folder, name))
}

const conformance = scripts(shared, '.test')
if (conformance.length === 0) console.log('conformance scripts: none found beside the project, only our own run')

for (const file of [...conformance, ...scripts(own, '.promqltest')]) {
  test(basename(file), { timeout: 60_000 }, async () => {
    const outcomes = await runScript(readFileSync(file, 'utf8'), kernels)
    const count = (verdict: string) => outcomes.filter((o) => o.verdict === verdict).length
    console.log(
      `${basename(file)}: ${count('passed')} passed, ${count('failed')} failed, ${count('left out')} left out`,
    )
    expect(outcomes.filter((o) => o.verdict === 'failed')).toEqual([])
  })
}
